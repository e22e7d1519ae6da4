"""The image's health check: whether the web interface answers, or a single run is going on."""

import http.client
import os
import sys
from pathlib import Path

from gros_agent.runtime.storage import is_held
from gros_agent.settings.home import Home

_SECONDS = 4


def is_healthy(home: Home, port: int) -> bool:
    """Whether this agent is alive. An agent that runs only once has no web interface, but holds the run lock."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=_SECONDS)
    try:
        connection.request("GET", "/healthz")
        return connection.getresponse().status == http.HTTPStatus.OK
    except (OSError, http.client.HTTPException):
        return is_held(home.run_lock)
    finally:
        connection.close()


if __name__ == "__main__":
    root = Path(os.environ.get("GROS_AGENT_HOME") or Path.cwd())
    sys.exit(0 if is_healthy(Home.of(root, os.environ), int(os.environ.get("GROS_AGENT_PORT") or 7070)) else 1)

"""``env.sh`` of the image: runs a command in the agent's environment, or a shell.

It sets the variables of the environment files, changes from root to the agent's user, and gives a nameless user a name.
"""

import logging
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from gros_agent.errors import AgentError
from gros_agent.runtime.logs import configure
from gros_agent.service.image.user import give_name, step_down
from gros_agent.settings import envfile
from gros_agent.settings.home import Home

SHELL = ("/bin/bash", "--norc", "-i")
_PROMPT = r"gros-agent:\w\$ "


def main(arguments: Sequence[str]) -> int:
    """Replace this process with the command in ``arguments``. Returns only on failure, with the status of a shell."""
    configure("INFO", "text")
    home = Home.of(Path(os.environ.get("GROS_AGENT_HOME") or Path.cwd()), os.environ)
    try:
        step_down(home)
        give_name(home)
    except AgentError as error:
        sys.stderr.write(f"error: {error.message}\n  what to do: {error.hint}\n")
        return error.status
    merged = envfile.merge(os.environ, home.environment_files)
    for warning in (*merged.warnings, *(problem.message for problem in merged.problems)):
        logging.getLogger("gros_agent").warning("%s", warning)
    variables = {name: value.text for name, value in merged.variables.items()}
    command = tuple(arguments) or SHELL
    if not arguments:
        variables["PS1"] = _PROMPT
    try:
        os.execvpe(command[0], command, variables)  # noqa: S606 (its purpose)
    except OSError as error:
        sys.stderr.write(f"error: {command[0]} can't be run: {error.strerror}\n")
        return 127 if isinstance(error, FileNotFoundError) else 126


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

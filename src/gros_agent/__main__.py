"""``python -m gros_agent``, the same as the ``gros-agent`` command."""

import signal
import sys

from gros_agent.cli import execute


def main() -> None:
    """Run the command line and leave with its exit status."""
    status = execute()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)  # all is over, and the status is known
    sys.exit(status)


if __name__ == "__main__":
    main()

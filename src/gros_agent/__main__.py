"""``python -m gros_agent``, the same as the ``gros-agent`` command."""

import sys

from gros_agent.cli import run


def main() -> None:
    """Run the command line and leave with its exit status."""
    sys.exit(run())


if __name__ == "__main__":
    main()

"""The agent's version string: ``<module version>-<branch>-<commit>``, or the module version alone.

An image build stamps it into a file ``VERSION``. The branch may contain dashes.
"""

import re
from pathlib import Path

from gros_agent import __version__
from gros_agent.errors import ConfigurationError
from gros_agent.settings.home import Home

STAMPED = re.compile(r"(?P<module>[0-9][^-\s]*)(?:-(?P<branch>\S+)-(?P<commit>[0-9a-f]{40}))?")
_SECONDS = 30


def version(home: Home) -> str:
    """The agent's version string.

    A ``VERSION`` file is only used if it was stamped for this module version.
    """
    for path in home.version_files:
        text = _first_line(path)
        match = STAMPED.fullmatch(text) if text else None
        if text and match and match["module"] == __version__:
            return text
    return __version__


def _first_line(path: Path) -> str | None:
    try:
        with path.open(encoding="utf-8") as stream:
            return stream.readline(1000).strip()
    except (OSError, UnicodeDecodeError):
        return None  # a plain version string is used, as for a missing file


def stamp(checkout: Path, environment: dict[str, str]) -> str:
    """The content of ``VERSION`` for a checkout. Raises :class:`ConfigurationError` if the folder is not a checkout."""
    from gros_agent.runtime.process import run  # noqa: PLC0415 (only a stamp needs it)

    answers = []
    for arguments in (("--abbrev-ref", "HEAD"), ("HEAD",)):
        done = run(["git", "-C", str(checkout), "rev-parse", *arguments], environment, silence=_SECONDS)
        if done.status:
            raise ConfigurationError(
                f"{checkout} is no checkout with a commit: {done.errors.strip()}",
                "run this in a checkout of the agent",
            )
        answers.append(done.output.decode().strip())
    return "-".join((__version__, *answers))

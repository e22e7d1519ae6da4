"""The two configuration files: INI syntax, with the line of every option kept for messages."""

import configparser
import re
from pathlib import Path

from gros_agent.errors import ConfigurationError
from gros_agent.settings.files import read_text
from gros_agent.settings.options import Sections
from gros_agent.settings.values import Value

_SECTION = re.compile(r"\[(?P<name>.+)\]")
_OPTION = re.compile(r"(?P<name>[^\s=:#;\[][^=:]*?)\s*[=:]")


def read(path: Path, what: str) -> Sections | None:
    """Read a configuration file, or return None if there is none.

    Section and option names come out in lower case. ``what`` names the file in messages. Raises
    :class:`ConfigurationError` with the line for a file that is not INI syntax, or says something twice.
    """
    text = read_text(path, what)
    if text is None:
        return None
    parser = configparser.RawConfigParser(strict=True, default_section="")
    try:
        parser.read_string(text, str(path))
    except configparser.ParsingError as error:
        line = error.lineno if isinstance(error, configparser.MissingSectionHeaderError) else error.errors[0][0]
        raise ConfigurationError(
            f"{path}:{line}: can't read this line of {what}", "write [section] or option = value"
        ) from None
    except (configparser.DuplicateSectionError, configparser.DuplicateOptionError) as error:
        thing = f"[{error.section}]" + (f" {error.option}" if hasattr(error, "option") else "")
        raise ConfigurationError(
            f"{path}:{error.lineno}: {thing} stands here a second time", "remove one of the two"
        ) from None
    lines = _lines(text)
    return {
        section.lower(): {
            option: Value(value, f"{path} line {lines.get((section, option), 0)}")
            for option, value in parser.items(section)
        }
        for section in parser.sections()
    }


def _lines(text: str) -> dict[tuple[str, str], int]:
    """Find the line of each option; only for messages, so a line it misses is no harm."""
    found: dict[tuple[str, str], int] = {}
    section = ""
    for number, line in enumerate(text.splitlines(), start=1):
        if match := _SECTION.match(line):
            section = match["name"]
        elif match := _OPTION.match(line):
            found.setdefault((section, match["name"].strip().lower()), number)
    return found

"""The two configuration files: INI syntax, with the line of every option kept for messages."""

import configparser
import io
import re
from pathlib import Path

from gros_agent.errors import ConfigurationError
from gros_agent.options.values import Value
from gros_agent.privacy.secrets import PRIVATE_MODE
from gros_agent.runtime.files import read_text
from gros_agent.runtime.storage import replace_file, storage_errors
from gros_agent.settings.template import KEYED, Sections

_SECTION = re.compile(r"\[(?P<name>.+)\]")
_OPTION = re.compile(r"(?P<name>[^\s=:#;\[][^=:]*?)\s*[=:]")


def read(path: Path, what: str) -> Sections | None:
    """Read a configuration file, or return None if it does not exist.

    Names of sections and options are returned in lower case. ``what`` describes the file in messages. Raises
    :class:`ConfigurationError` with the line if the file is not valid INI, or sets an option twice.
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
            f"{path}:{error.lineno}: {thing} appears here a second time", "remove one of the two"
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
    """Find the line of each option. The lines are only used in messages, so missing one is harmless."""
    found: dict[tuple[str, str], int] = {}
    section = ""
    for number, line in enumerate(text.splitlines(), start=1):
        if match := _SECTION.match(line):
            section = match["name"]
        elif match := _OPTION.match(line):
            found.setdefault((section, match["name"].strip().lower()), number)
    return found


def write_new(path: Path, what: str, sections: Sections) -> None:
    """Write a new configuration file that only its owner can read.

    Raises :class:`ConfigurationError` if INI can't represent the content, or if the file can't be written.
    """
    parser = configparser.RawConfigParser(default_section="")
    parser.optionxform = str  # type: ignore[method-assign, assignment]
    try:
        for section, options in sections.items():
            parser.add_section(section)
            for option, value in options.items():
                # other programs use a project's key exactly as it is written here
                parser.set(section, option.upper() if section in KEYED else option, value.text)
    except ValueError as error:
        raise ConfigurationError(f"{path}: {what} can't be made: {error}", "correct the variables") from None
    text = io.StringIO()
    parser.write(text)
    again = configparser.RawConfigParser(default_section="")
    try:
        again.read_string(text.getvalue())
    except configparser.Error:
        raise ConfigurationError(
            f"{path}: {what} can't be made: a name or value in it holds what INI syntax can't", "correct the variables"
        ) from None
    for section, options in sections.items():
        for option, value in options.items():
            if again.get(section, option, fallback=None) != value.text.strip():
                raise ConfigurationError(
                    f"{path}: {what} can't be made: [{section}] {option} can't hold what {value.origin} says",
                    "a value is one line of text",
                )
    with storage_errors(path.parent):
        path.parent.mkdir(parents=True, exist_ok=True)
        replace_file(path, text.getvalue().encode(), PRIVATE_MODE)

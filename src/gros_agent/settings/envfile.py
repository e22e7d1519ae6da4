r"""Environment files: ``NAME=value`` lines, read as data and never as shell.

Blank lines and ``#`` comments are passed over, ``export`` before a name is allowed, and a value may stand in single or
double quotes. Nothing is expanded or run: a ``$`` is a dollar sign. Inside double quotes a backslash before ``"``,
``\``, ``$`` or a backtick takes that character as it is, as a shell has it; elsewhere a backslash is a backslash.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from gros_agent.errors import ConfigurationError
from gros_agent.settings.files import read_text
from gros_agent.settings.values import Value

_LINE = re.compile(
    r"""\s*(?:export\s+)?
    (?P<name>[A-Za-z_][A-Za-z0-9_]*)=
    (?:
        '(?P<single>[^']*)'
      | "(?P<double>(?:[^"\\]|\\.)*)"
      | (?P<bare>(?![\s]*['"]).*?)
    )
    (?:\s*|\s+\#.*)$""",
    re.VERBOSE,
)
_ESCAPE = re.compile(r'\\(["\\$`])')


@dataclass(frozen=True)
class Variables:
    """Variables with their origins, and the problems and warnings met while reading them."""

    variables: Mapping[str, Value]
    problems: tuple[ConfigurationError, ...] = ()
    warnings: tuple[str, ...] = ()


def parse(text: str, path: Path) -> Variables:
    """Parse the text of an environment file; ``path`` is for messages. Never raises: problems are returned."""
    variables: dict[str, Value] = {}
    problems: list[ConfigurationError] = []
    for number, line in enumerate(text.split("\n"), start=1):
        content = line.removesuffix("\r")
        if not content.strip() or content.lstrip().startswith("#"):
            continue
        match = _LINE.match(content)
        if match is None or "\0" in content:
            problems.append(
                ConfigurationError(
                    f"{path}:{number}: can't read this line",
                    "write NAME=value, with the whole value in quotes if it holds quotes; nothing is expanded or run",
                )
            )
            continue
        variables[match["name"]] = Value(_value(match), f"{path} line {number}")
    return Variables(variables, tuple(problems))


def _value(match: re.Match[str]) -> str:
    if match["single"] is not None:
        return match["single"]
    if match["double"] is not None:
        return _ESCAPE.sub(r"\1", match["double"])
    bare: str = match["bare"]
    return bare.strip()


def read(path: Path) -> Variables:
    """Read the environment file at ``path``; a missing one is empty.

    A directory at that path is what ``-v env:/home/agent/env`` makes (a named volume): the file ``env`` in it is read.
    """
    if path.is_dir():
        return _read_directory(path)
    try:
        text = read_text(path, "the environment file")
    except ConfigurationError as problem:
        return Variables({}, (problem,))
    return parse(text, path) if text is not None else Variables({})


def _read_directory(path: Path) -> Variables:
    inner = path / "env"
    if (path / "pyvenv.cfg").exists():
        what = "is a Python virtual environment, not an environment file"
    elif inner.is_file():
        return read(inner)
    else:
        what = "is a directory without a file called env (a named volume, perhaps)"
    advice = f'to mount a file, write its whole path: -v "$PWD/env:{path}"'
    return Variables({}, warnings=(f"{path} {what}; {advice}",))


def merge(environ: Mapping[str, str], files: Iterable[Path]) -> Variables:
    """Merge a process's environment with environment files, a later one overriding what came before."""
    variables = {name: Value(text, "environment") for name, text in environ.items()}
    problems: list[ConfigurationError] = []
    warnings: list[str] = []
    for path in files:
        content = read(path)
        variables.update(content.variables)
        problems.extend(content.problems)
        warnings.extend(content.warnings)
    return Variables(variables, tuple(problems), tuple(warnings))

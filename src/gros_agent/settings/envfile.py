r"""Environment files: ``NAME=value`` lines, read as data and never as shell.

Blank lines and ``#`` comments are skipped, ``export`` before a name is allowed, and a value may be in single or double
quotes. Nothing is expanded or run: a ``$`` is a dollar sign. Inside double quotes a backslash before ``"``, ``\``,
``$`` or a backtick escapes that character, as in a shell; elsewhere a backslash is a backslash.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from gros_agent.errors import ConfigurationError
from gros_agent.options.values import Value
from gros_agent.runtime.files import read_text

# Each pattern looks at a character only a few times, since lines may come from an attacker.
_NAME = re.compile(r"\s*(?:export\s+)?([A-Za-z_][A-Za-z0-9_]*)=")
_QUOTED = re.compile(r"""'(?P<single>[^']*)'|"(?P<double>(?:[^"\\]|\\.)*)\"""")
_COMMENT = re.compile(r"\s#")
_REST = re.compile(r"\s*(?:\s#.*)?", re.DOTALL)
_ESCAPE = re.compile(r'\\(["\\$`])')


@dataclass(frozen=True)
class Variables:
    """Variables with their origins, and the problems and warnings found while reading them."""

    variables: Mapping[str, Value]
    problems: tuple[ConfigurationError, ...] = ()
    warnings: tuple[str, ...] = ()


def parse(text: str, path: Path) -> Variables:
    """Parse the text of an environment file. Never raises: problems are returned. ``path`` is used in messages."""
    variables: dict[str, Value] = {}
    problems: list[ConfigurationError] = []
    for number, line in enumerate(text.split("\n"), start=1):
        content = line.removesuffix("\r")
        if not content.strip() or content.lstrip().startswith("#"):
            continue
        name = _NAME.match(content)
        value = None if name is None or "\0" in content else _value(content[name.end() :])
        if name is None or value is None:
            problems.append(
                ConfigurationError(
                    f"{path}:{number}: can't read this line",
                    "write NAME=value, with the whole value in quotes if it holds quotes; nothing is expanded or run",
                )
            )
            continue
        variables[name[1]] = Value(value, f"{path} line {number}")
    return Variables(variables, tuple(problems))


def _value(text: str) -> str | None:
    """The text after the equals sign, without quotes and comment. None if it can't be parsed."""
    if text.lstrip()[:1] not in {"'", '"'}:
        comment = _COMMENT.search(text)
        return (text[: comment.start()] if comment else text).strip()
    quoted = _QUOTED.match(text)
    if quoted is None or not _REST.fullmatch(text, quoted.end()):
        return None
    return quoted["single"] if quoted["single"] is not None else _ESCAPE.sub(r"\1", quoted["double"])


def read(path: Path) -> Variables:
    """Read the environment file at ``path``. A missing file is treated as empty.

    A directory at that path is the result of ``-v env:/home/agent/env`` (a named volume). Then the file ``env`` in it
    is read.
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


def _is_link(name: str, text: str) -> bool:
    """Whether a variable is one that Kubernetes and older Docker set for each service next to a container.

    For a service called ``ssh`` or ``gros-agent`` such names clash with our own variables, for instance ``SSH_PORT``.
    """
    is_address = name.endswith("_PORT") and text.startswith(("tcp://", "udp://", "sctp://"))
    return is_address or _LINK.fullmatch(name) is not None


_LINK = re.compile(r"\w+_(SERVICE_HOST|SERVICE_PORT(_\w+)?|PORT_[0-9]+_(TCP|UDP|SCTP)(_[A-Z]+)?)")


def merge(environ: Mapping[str, str], files: Iterable[Path]) -> Variables:
    """Merge a process's environment with environment files. Later files override earlier values."""
    variables = {name: Value(text, "environment") for name, text in environ.items() if not _is_link(name, text)}
    problems: list[ConfigurationError] = []
    warnings: list[str] = []
    for path in files:
        content = read(path)
        variables.update(content.variables)
        problems.extend(content.problems)
        warnings.extend(content.warnings)
    return Variables(variables, tuple(problems), tuple(warnings))

"""Makes the delivered wording of log records: it has only this program's own words.

The delivered log goes to other people, and must not contain names. So it is not made from the text of the local log,
but from parts that are known to be safe: the constant message of the log call, with its safe arguments. These are
numbers, moments, :class:`Own` texts, and texts that are delivered anyway, such as the names of sources. Of an error it
has the own words and the place that raised it. Everything else is left out.
"""

import datetime as dt
import enum
import logging
import traceback
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType

import gros_agent
from gros_agent.errors import AgentError, Own

LEFT_OUT = "…"
ELSEWHERE = "see the agent's own log"
"""Replaces an error without a wording that may be delivered."""
_OURS = (bool, int, float, type(None), dt.date, dt.time, dt.timedelta, enum.Enum, Own)
_PACKAGE = Path(gros_agent.__file__).parent
_known: set[str] = set()


def know(texts: Iterable[str]) -> None:
    """Allow texts that are delivered in other files anyway: project keys, types and names of sources."""
    _known.update(texts)


def message(record: logging.LogRecord) -> str:
    """The message of a record, from safe parts only."""
    if not record.args:
        return str(record.msg) if isinstance(record.msg, str) else _ours(record.msg)
    arguments = record.args if isinstance(record.args, tuple) else (record.args,)
    try:
        return str(record.msg) % tuple(one if isinstance(one, int | float) else _ours(one) for one in arguments)
    except (TypeError, ValueError):
        return str(record.msg)


def _ours(value: object) -> str:
    if isinstance(value, AgentError):
        where = _place(value.__traceback__)
        code = type(value).__name__ + (f", {where}" if where else "")
        return f"{value.own or ELSEWHERE} ({code})"
    if isinstance(value, BaseException):
        return type(value).__name__
    if isinstance(value, _OURS) or (isinstance(value, str) and (not value or value in _known)):
        return str(value)
    return LEFT_OUT


def trace(error: BaseException) -> str:
    """The traceback of an error: files, lines, functions and types of errors, without their messages."""
    lines: list[str] = []
    seen: BaseException | None = error
    while seen is not None and len(lines) < 100:  # noqa: PLR2004 (more than any real chain)
        lines += [
            f"  {_file(frame.filename)}:{frame.lineno} in {frame.name}"
            for frame in traceback.extract_tb(seen.__traceback__)
        ]
        lines.append(type(seen).__name__)
        seen = seen.__cause__ or (None if seen.__suppress_context__ else seen.__context__)
    return "\n".join(lines)


def _place(trace: TracebackType | None) -> str:
    """The last place in the agent's own code that an error came through."""
    frames = [frame for frame in traceback.extract_tb(trace) if Path(frame.filename).is_relative_to(_PACKAGE)]
    return f"{_file(frames[-1].filename)}:{frames[-1].lineno}" if frames else ""


def _file(name: str) -> str:
    """The path of a file of the program, without the folders of the machine."""
    path = Path(name)
    return path.relative_to(_PACKAGE).as_posix() if path.is_relative_to(_PACKAGE) else path.name


def place(record: logging.LogRecord) -> str:
    """The file that a record comes from, without the folders of the machine."""
    return _file(record.pathname)

"""What of a log record may be delivered: words of this program alone, and none that somebody else wrote.

A delivered log goes to others, who must learn no name from it. So it is made anew of what is known to be ours, and not
of the text that people see here: the words of the call, which stand in the program, with what fits in. That is numbers
and moments, :class:`Own` words, and texts that are delivered anyhow, such as the names of sources; of an error its own
words and where it was raised. Everything else is left out, whatever it is.
"""

import datetime as dt
import enum
import logging
import traceback
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType

from gros_agent.errors import AgentError, Own

LEFT_OUT = "…"
ELSEWHERE = "see the agent's own log"
"""What stands for an error that has no words of its own for others."""
_OURS = (bool, int, float, type(None), dt.date, dt.time, dt.timedelta, enum.Enum, Own)
_PACKAGE = Path(__file__).parent
_known: set[str] = set()


def know(texts: Iterable[str]) -> None:
    """Take texts for ours that are delivered in other files anyhow: project keys, types and names of sources."""
    _known.update(texts)


def message(record: logging.LogRecord) -> str:
    """What a record says, in words of ours."""
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
    """Where an error came from: files, lines and functions, and the kinds of errors, without what they say."""
    lines: list[str] = []
    seen: BaseException | None = error
    while seen is not None and len(lines) < 100:  # noqa: PLR2004 (enough for anybody)
        lines += [
            f"  {_file(frame.filename)}:{frame.lineno} in {frame.name}"
            for frame in traceback.extract_tb(seen.__traceback__)
        ]
        lines.append(type(seen).__name__)
        seen = seen.__cause__ or (None if seen.__suppress_context__ else seen.__context__)
    return "\n".join(lines)


def _place(trace: TracebackType | None) -> str:
    """The last place of ours that an error went through."""
    frames = [frame for frame in traceback.extract_tb(trace) if Path(frame.filename).is_relative_to(_PACKAGE)]
    return f"{_file(frames[-1].filename)}:{frames[-1].lineno}" if frames else ""


def _file(name: str) -> str:
    """A file of the program, without the folders of the machine."""
    path = Path(name)
    return path.relative_to(_PACKAGE).as_posix() if path.is_relative_to(_PACKAGE) else path.name


def place(record: logging.LogRecord) -> str:
    """The file that a record comes from, without the folders of the machine."""
    return _file(record.pathname)

"""Logging: configured once, to standard error, as text or JSON lines, with every known secret left out.

The log that is delivered says less than the one for people here: see :mod:`gros_agent.runtime.own`.
"""

import copy
import logging
import os
import sys
import time
from pathlib import Path
from typing import Literal, TextIO

from gros_agent.runtime import own
from gros_agent.runtime.masking import redactor, shown

__all__ = ["IN_RESULTS", "SCRAPE_LOG", "LogFormat", "ProjectLog", "configure", "redactor"]

IN_RESULTS = {"is_in_results": True}
"""What a record that tells of something which results show, too, carries as its extra attributes."""
KEPT = logging.INFO
"""The lowest level of records in the log of a scrape."""
SCRAPE_LOG = "scrape.log"
"""The log of a scrape, beside its tables."""
LogFormat = Literal["text", "json"]


class _StandardError(logging.StreamHandler[TextIO]):
    """Writes to whatever standard error is at the moment: progress bars put something else in its place.

    ``beside`` says whether results are read at the same place.
    """

    beside = False

    def __init__(self) -> None:
        logging.Handler.__init__(self)

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 (the base class's name)
        """Drop a record that standard error does not take: there is nobody else to tell."""

    @property
    def stream(self) -> TextIO:  # type: ignore[override]
        """Where records go."""
        return sys.stderr


class _File(logging.FileHandler):
    """A log file. Where it can't be written, standard error says so once, and the work goes on."""

    _has_failed = False

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 (the base class's name)
        """Take note of a record that can't be written."""
        del record
        self.fail()

    def fail(self) -> None:
        """Say that the file lacks something."""
        if not self._has_failed:
            self._has_failed = True
            reason = getattr(sys.exc_info()[1], "strerror", None) or sys.exc_info()[1]
            logging.getLogger("gros_agent.runtime.logs").warning("%s lacks lines: %s", self.baseFilename, reason)


class _Text(logging.Formatter):
    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(message)s")

    def format(self, record: logging.LogRecord) -> str:
        """A record whose further lines are indented, so that none can be taken for another record."""
        lines = shown(super().format(_fresh(record))).split("\n")
        return "\n    ".join(lines)


def _fresh(record: logging.LogRecord) -> logging.LogRecord:
    """A record without what another handler made of its traceback."""
    fresh = copy.copy(record)
    fresh.exc_text = None
    return fresh


class _Json(logging.Formatter):
    converter = staticmethod(time.gmtime)
    default_time_format = "%Y-%m-%dT%H:%M:%S"
    default_msec_format = "%s.%03dZ"

    def format(self, record: logging.LogRecord) -> str:
        """One JSON object a line."""
        import json  # noqa: PLC0415 (few want such a log)

        content = {
            "time": self.formatTime(record),
            "level": record.levelname,
            "logger": record.name,
            "message": shown(record.getMessage()),
        }
        if record.exc_info:
            content["traceback"] = shown(self.formatException(record.exc_info))
        return json.dumps(content, ensure_ascii=False)


class _Project(logging.Formatter):
    """As the status dashboard of existing installations reads it, in words of ours alone: it is delivered."""

    def format(self, record: logging.LogRecord) -> str:
        """A record, and where its error came from."""
        lines = [f"{self.formatTime(record)}:{record.levelname}:{delivered(record)}"]
        if record.exc_info and record.exc_info[1]:
            lines.append(own.trace(record.exc_info[1]))
        return "\n".join(lines)


def delivered(record: logging.LogRecord) -> str:
    """What a record says to others."""
    return shown(own.message(record))


class ProjectLog:
    """A scrape's own log file, made anew; its last line says with which status the scrape ended."""

    def __init__(self, path: Path) -> None:
        path.write_bytes(b"")
        self._handler = _File(path, encoding="utf-8", errors="backslashreplace")
        self._handler.setFormatter(_Project())
        self._handler.setLevel(KEPT)
        self._logger = logging.getLogger("gros_agent")
        self._logger.addHandler(self._handler)

    def end(self, status: int) -> None:
        """Write the last line, and close the file."""
        self._logger.removeHandler(self._handler)
        level = logging.INFO if status == 0 else logging.ERROR
        words = f"Process ended with status code {status}"
        self._handler.handle(logging.LogRecord("gros_agent", level, "", 0, words, None, None))
        try:
            self._handler.close()
        except OSError:
            self._handler.fail()


def configure(level: str, form: LogFormat) -> None:
    """Send the agent's log records of ``level`` and above to standard error; other handlers stay as they are."""
    handler = _StandardError()
    handler.setFormatter(_Json() if form == "json" else _Text())
    logger = logging.getLogger("gros_agent")
    logger.handlers[:] = [handler, *(one for one in logger.handlers if not isinstance(one, _StandardError))]
    logger.propagate = False
    show(level)


def show(level: str) -> None:
    """Have standard error show records of ``level`` and above.

    What is kept and what is delivered does not depend on it: records of :data:`KEPT` and above are made in any case.
    """
    logger = logging.getLogger("gros_agent")
    for handler in logger.handlers:
        if isinstance(handler, _StandardError):
            handler.setLevel(level)
    logger.setLevel(min(KEPT, logging.getLevelNamesMapping()[level]))


def tell_once(*, beside: bool) -> None:
    """Leave out of standard error what results show, where both are read at one place.

    That is so where both lead to the same terminal, file or pipe, and ``beside`` wherever they lead. A log of JSON
    lines is for a program, which reads no results.
    """
    for handler in logging.getLogger("gros_agent").handlers:
        if isinstance(handler, _StandardError) and not isinstance(handler.formatter, _Json):
            handler.beside = beside or is_one_place()
            if handler.beside:
                handler.addFilter(lambda record: not getattr(record, "is_in_results", False))


def shows_errors_beside_results() -> bool:
    """Whether whoever reads the results has read the errors of the log before."""
    logger = logging.getLogger("gros_agent")
    shown = (one for one in logger.handlers if isinstance(one, _StandardError) and one.beside)
    return any(one.level <= logging.ERROR for one in shown)


def is_one_place() -> bool:
    """Whether standard output and standard error lead to the same terminal, file or pipe."""
    try:
        if sys.stdout.isatty() and sys.stderr.isatty():
            return True
        one, other = os.fstat(sys.stdout.fileno()), os.fstat(sys.stderr.fileno())
    except (OSError, ValueError):
        return False
    return (one.st_dev, one.st_ino) == (other.st_dev, other.st_ino)

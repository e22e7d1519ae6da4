"""Logging to standard error, as text or JSON lines, with all known secrets masked.

The delivered log contains less than this one: see :mod:`gros_agent.runtime.own`.
"""

import copy
import logging
import os
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Literal, TextIO

from gros_agent.runtime import own
from gros_agent.runtime.masking import redactor, shown

__all__ = ["IN_RESULTS", "SCRAPE_LOG", "LogFormat", "ProjectLog", "configure", "redactor"]

IN_RESULTS = {"is_in_results": True}
"""Pass as ``extra`` when logging something that the results show as well."""
KEPT = logging.INFO
"""The lowest level of records in the log of a scrape."""
SCRAPE_LOG = "scrape.log"
"""The log of a scrape, beside its tables."""
LogFormat = Literal["text", "json"]


class _StandardError(logging.StreamHandler[TextIO]):
    """Writes to the current ``sys.stderr``, which progress bars replace.

    ``beside`` says whether results are shown at the same place.
    """

    beside = False

    def __init__(self) -> None:
        logging.Handler.__init__(self)

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 (the base class's name)
        """Drop a record that can't be written, since there is no other place to report it."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Leave out what the results show at the same place."""
        return not (self.beside and getattr(record, "is_in_results", False)) and bool(super().filter(record))

    @property
    def stream(self) -> TextIO:  # type: ignore[override]
        """The stream for records."""
        return sys.stderr


_standard_error = _StandardError()


class _File(logging.FileHandler):
    """A log file. If it can't be written, standard error says so once, and work continues."""

    _has_failed = False

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 (the base class's name)
        """Handle a record that can't be written."""
        del record
        self.fail()

    def fail(self) -> None:
        """Log once that the file is incomplete."""
        if not self._has_failed:
            self._has_failed = True
            reason = getattr(sys.exc_info()[1], "strerror", None) or sys.exc_info()[1]
            logging.getLogger("gros_agent.runtime.logs").warning("%s is incomplete: %s", self.baseFilename, reason)


class _Files(logging.Handler):
    """Hands each record to the log files of the scrapes that go on.

    It stays with the logger: while a handler is removed there, records of other threads miss the next one.
    """

    def __init__(self) -> None:
        super().__init__(KEPT)
        self._files: tuple[_File, ...] = ()
        self._changing = threading.Lock()

    def handle(self, record: logging.LogRecord) -> bool:
        """Hand over a record."""
        for file in self._files:
            file.handle(record)
        return True

    def begin(self, file: _File) -> None:
        """Write a further file from now on."""
        with self._changing:
            self._files = (*self._files, file)

    def end(self, file: _File) -> None:
        """Write a file no longer."""
        with self._changing:
            self._files = tuple(one for one in self._files if one is not file)


_files = _Files()


class _Text(logging.Formatter):
    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(message)s")

    def format(self, record: logging.LogRecord) -> str:
        """Format a record as text. Further lines are indented, so that they can't be mistaken for another record."""
        lines = shown(super().format(_fresh(record))).split("\n")
        return "\n    ".join(lines)


def _fresh(record: logging.LogRecord) -> logging.LogRecord:
    """A copy of the record without the traceback text that another handler cached."""
    fresh = copy.copy(record)
    fresh.exc_text = None
    return fresh


class _Json(logging.Formatter):
    converter = staticmethod(time.gmtime)
    default_time_format = "%Y-%m-%dT%H:%M:%S"
    default_msec_format = "%s.%03dZ"

    def format(self, record: logging.LogRecord) -> str:
        """Format a record as a line with a JSON object."""
        import json  # noqa: PLC0415 (rarely used)

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
    """The format that the status dashboard of existing installations reads.

    It is delivered, so only own words are in it.
    """

    def format(self, record: logging.LogRecord) -> str:
        """Format a record, with the places that its error came through."""
        lines = [f"{self.formatTime(record)}:{record.levelname}:{delivered(record)}"]
        if record.exc_info and record.exc_info[1]:
            lines.append(own.trace(record.exc_info[1]))
        return "\n".join(lines)


def delivered(record: logging.LogRecord) -> str:
    """The delivered wording of a record."""
    return shown(own.message(record))


_project: ContextVar[str | None] = ContextVar("project", default=None)


@contextmanager
def of_project(key: str) -> Iterator[None]:
    """Say that the block, and the threads that are started in it, work for a project: its log is kept apart."""
    before = _project.set(key)
    try:
        yield
    finally:
        _project.reset(before)


def current_project() -> str | None:
    """The project that this thread works for, if that was said."""
    return _project.get()


class ProjectLog:
    """A new log file of a scrape. Its last line says with which status the scrape ended.

    It has what is logged for its own project, and what belongs to none, but nothing of others; see :func:`of_project`.
    """

    def __init__(self, path: Path) -> None:
        path.write_bytes(b"")
        self._handler = _File(path, encoding="utf-8", errors="backslashreplace")
        self._handler.setFormatter(_Project())
        project = _project.get()
        self._handler.addFilter(lambda _: project is None or _project.get() in {project, None})
        logging.getLogger("gros_agent").addHandler(_files)  # once
        _files.begin(self._handler)

    def end(self, status: int) -> None:
        """Write the last line, and close the file."""
        _files.end(self._handler)
        level = logging.INFO if status == 0 else logging.ERROR
        words = f"Process ended with status code {status}"
        self._handler.handle(logging.LogRecord("gros_agent", level, "", 0, words, None, None))
        try:
            self._handler.close()
        except OSError:
            self._handler.fail()


def configure(level: str, form: LogFormat) -> None:
    """Send the agent's log records of ``level`` and above to standard error. Other handlers are not changed.

    Several threads may call this, each for its project: the handler stays the same.
    """
    logger = logging.getLogger("gros_agent")
    logger.addHandler(_standard_error)
    _standard_error.setFormatter(_Json() if form == "json" else _Text())
    logger.propagate = False
    show(level)


def show(level: str) -> None:
    """Show records of ``level`` and above on standard error.

    Log files and the delivered log don't depend on it: records of :data:`KEPT` and above are always created.
    """
    logger = logging.getLogger("gros_agent")
    _standard_error.setLevel(level)
    logger.setLevel(min(KEPT, logging.getLevelNamesMapping()[level]))


def tell_once(*, beside: bool) -> None:
    """Leave messages out of the log that the results show as well, if both go to the same place.

    That is the case if both go to the same terminal, file or pipe, or always with ``beside``. A log of JSON lines is
    not changed, since it is for programs.
    """
    is_json = isinstance(_standard_error.formatter, _Json)
    _standard_error.beside = not is_json and (beside or is_one_place())


def shows_errors_beside_results() -> bool:
    """Whether the errors of the log are shown at the same place as the results."""
    return _standard_error.beside and _standard_error.level <= logging.ERROR


def is_one_place() -> bool:
    """Whether standard output and standard error go to the same terminal, file or pipe."""
    try:
        if sys.stdout.isatty() and sys.stderr.isatty():
            return True
        one, other = os.fstat(sys.stdout.fileno()), os.fstat(sys.stderr.fileno())
    except (OSError, ValueError):
        return False
    return (one.st_dev, one.st_ino) == (other.st_dev, other.st_ino)

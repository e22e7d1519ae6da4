"""Logging: configured once, to standard error, as text or JSON lines, with every known secret left out."""

import json
import logging
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal, TextIO

from gros_agent.settings.values import MASK
from gros_agent.urls import without_password

RETRY = {"is_retry": True}
"""What a record that tells of another try carries as its extra attributes, for those who count them."""
SCRAPE_LOG = "scrape.log"
"""The log of a scrape, beside its tables."""
LogFormat = Literal["text", "json"]
_SHORTEST = 4
"""A secret of fewer characters would mask half of every line."""


class Redactor(logging.Filter):
    """Replaces known secrets, and the credentials in URLs, in every record."""

    def __init__(self) -> None:
        super().__init__()
        self._secrets: tuple[str, ...] = ()

    def hide(self, secrets: Iterable[str]) -> None:
        """Leave these texts out from now on."""
        known = {secret for secret in secrets if len(secret) >= _SHORTEST}
        self._secrets = tuple(sorted(known.union(self._secrets), key=len, reverse=True))

    def redact(self, text: str) -> str:
        """A text without the secrets that are known."""
        for secret in self._secrets:
            text = text.replace(secret, MASK)
        return without_password(text)

    def filter(self, record: logging.LogRecord) -> bool:
        """Redact a record; all of them are logged."""
        record.msg = self.redact(record.getMessage())
        record.args = None
        if record.exc_info:
            record.exc_text = self.redact(logging.Formatter().formatException(record.exc_info))
            record.exc_info = None
        return True


class _StandardError(logging.StreamHandler[TextIO]):
    """Writes to whatever standard error is at the moment: progress bars put something else in its place."""

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
            logging.getLogger("gros_agent.logs").warning("%s lacks lines: %s", self.baseFilename, reason)


class _Text(logging.Formatter):
    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(message)s")


class _Json(logging.Formatter):
    converter = staticmethod(time.gmtime)
    default_time_format = "%Y-%m-%dT%H:%M:%S"
    default_msec_format = "%s.%03dZ"

    def format(self, record: logging.LogRecord) -> str:
        """One JSON object a line."""
        content = {
            "time": self.formatTime(record),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_text:
            content["traceback"] = record.exc_text
        return json.dumps(content, ensure_ascii=False)


class _Project(logging.Formatter):
    """As the status dashboard of existing installations reads it."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s:%(levelname)s:%(message)s")


redactor = Redactor()
"""Knows the secrets of this process: there is one, as there is one set of loggers."""


class ProjectLog:
    """A scrape's own log file, made anew; its last line says with which status the scrape ended."""

    def __init__(self, path: Path) -> None:
        path.write_bytes(b"")
        self._handler = _File(path, encoding="utf-8", errors="backslashreplace")
        self._handler.setFormatter(_Project())
        self._handler.addFilter(redactor)
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


class RetryCounter(logging.Handler):
    """Counts the records that tell of another try."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.count = 0

    def emit(self, record: logging.LogRecord) -> None:
        """Count a record."""
        self.count += getattr(record, "is_retry", False)


@contextmanager
def counted_retries() -> Iterator[RetryCounter]:
    """Count the retries of what happens here."""
    counter, logger = RetryCounter(), logging.getLogger("gros_agent")
    logger.addHandler(counter)
    try:
        yield counter
    finally:
        logger.removeHandler(counter)


def configure(level: str, form: LogFormat) -> None:
    """Send the agent's log records of ``level`` and above to standard error; other handlers stay as they are."""
    handler = _StandardError()
    handler.setFormatter(_Json() if form == "json" else _Text())
    handler.addFilter(redactor)
    logger = logging.getLogger("gros_agent")
    logger.handlers[:] = [handler, *(one for one in logger.handlers if not isinstance(one, _StandardError))]
    logger.setLevel(level)
    logger.propagate = False

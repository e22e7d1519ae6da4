"""Sends log records of WARNING and above to the controller, in its own thread, so that the work never waits."""

import contextlib
import logging
import queue
import threading
import traceback

import requests

from gros_agent.controller import ControllerError
from gros_agent.controller.https import ControllerClient
from gros_agent.http.timed import TooSlowError
from gros_agent.runtime import own
from gros_agent.runtime.logs import current_project, delivered

MAX_WAITING = 500
"""Limit of waiting records; further ones are dropped, since the local log has them too."""
LAST_SECONDS = 5.0
"""Time limit for sending the last records at the program's end."""
_NAMES = (
    *("name", "levelname", "levelno", "pathname", "filename", "module", "lineno", "funcName", "created", "msecs"),
    *("relativeCreated", "thread", "threadName", "process", "processName", "msg", "args", "exc_info", "stack_info"),
)


class ControllerHandler(logging.Handler):
    """Sends records to ``log.py`` of the controller of one project.

    If several projects are collected at the same time, each record goes to its own one, if :meth:`add` named it.
    """

    def __init__(self, client: ControllerClient, project: str) -> None:
        super().__init__(logging.WARNING)
        self._client = client
        self.project = project
        self._projects = {project}
        self._waiting: queue.Queue[tuple[str, dict[str, str]] | None] = queue.Queue(MAX_WAITING)
        self._thread = threading.Thread(target=self._send, name="controller log", daemon=True)
        self._thread.start()

    def add(self, project: str) -> None:
        """Send the records of another project, too."""
        self._projects.add(project)

    def emit(self, record: logging.LogRecord) -> None:
        """Queue the delivered wording of a record."""
        project = current_project() or self.project
        if project not in self._projects:
            return
        said = delivered(record)
        content = {name: str(getattr(record, name)) for name in _NAMES}
        content |= {"pathname": own.place(record), "message": said, "msg": said, "args": "None", "exc_info": "None"}
        content |= {"asctime": logging.Formatter().formatTime(record), "stack_info": "None"}
        if record.exc_info and record.exc_info[1]:
            content["exc_text"] = own.trace(record.exc_info[1])
        with contextlib.suppress(queue.Full):
            self._waiting.put_nowait((project, content))

    def close(self) -> None:
        """Send the waiting records, for :data:`LAST_SECONDS` at most."""
        with contextlib.suppress(queue.Full):
            self._waiting.put_nowait(None)
        self._thread.join(LAST_SECONDS)
        super().close()

    def _send(self) -> None:
        while (waiting := self._waiting.get()) is not None:
            try:
                self._client.log(*waiting)
            except (ControllerError, TooSlowError, requests.RequestException):
                # not a warning, which would be sent to this handler again
                logging.getLogger(__name__).debug("a log record was not sent: %s", traceback.format_exc(limit=1))

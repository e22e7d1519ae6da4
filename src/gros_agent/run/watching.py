"""What a run is given, and who is notified of its steps: a watcher, and the history."""

import logging
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from gros_agent.deliver.receipts import Receipt
from gros_agent.deliver.registration import Registered
from gros_agent.errors import AgentError
from gros_agent.preflight.results import Result
from gros_agent.project.report import Report
from gros_agent.run.history import Ended, History
from gros_agent.settings.load import Overrides
from gros_agent.settings.model import Settings

log = logging.getLogger(__name__)

_telling = threading.RLock()
"""A watcher is notified by one thread at a time, since several projects may be collected at the same time."""


_writing = threading.Lock()
"""The history is written by one thread at a time: SQLite would let many wait in no order, and not for long."""


class Load(Protocol):
    """Reads the settings of a project, anew each time, since preflight may have brought variables of the controller.

    With ``given`` those variables are used where nothing else sets them.
    """

    def __call__(self, project: str | None, overrides: Overrides, *, given: bool) -> Settings:
        """Read them. Raises :class:`ConfigurationError`."""
        ...


@dataclass(frozen=True, kw_only=True)
class Checks:
    """Options of preflight: the secrets file, checks to leave out, and settings of its own.

    With ``skip`` the scrape goes on whatever preflight finds, even if it is too early. ``silence`` is in seconds.
    """

    secrets: Path | None = None
    no_secrets: bool = False
    no_ssh: bool = False
    skip: bool = False
    overrides: Overrides = field(default_factory=dict)
    silence: float = 120.0


class Watcher(Protocol):
    """Is notified of the steps of a run."""

    def progress(self, what: str, done: int, total: int | None) -> None:
        """A step has made progress."""
        ...

    def registered(self, done: Registered) -> None:
        """The project was registered at the controller."""
        ...

    def checked(self, results: Sequence[Result]) -> None:
        """Preflight was done."""
        ...

    def scraped(self, report: Report) -> None:
        """The scrape was done."""
        ...

    def delivered(self, receipt: Receipt) -> None:
        """The controller took a batch."""
        ...

    def ended(self, project: str, ended: Ended) -> None:
        """The run of a project came to its end."""
        ...


class Note:
    """Notes what happens in one run, for its watcher and the history.

    If the history can't be written, a warning is logged and the run goes on.
    """

    def __init__(self, history: History, project: str, trigger: str, watcher: Watcher) -> None:
        self._history = history
        self._watcher = watcher
        self.reports: list[Report] = []
        self.receipts: list[Receipt] = []
        self._run: int | None = 0
        self._try(lambda _: setattr(self, "_run", history.begin(project, trigger)))

    def stage(self, name: str) -> None:
        """Note that a step of the flow begins."""
        log.debug("stage: %s", name)
        self._try(lambda run: self._history.stage(run, name))

    def progress(self, what: str, done: int, total: int | None) -> None:
        """Note the progress of a step."""
        with _telling:
            self._watcher.progress(what, done, total)
        self._try(lambda run: self._history.progress(run, what, done, total))

    def registered(self, done: Registered) -> None:
        """Note that the controller registered the project."""
        with _telling:
            self._watcher.registered(done)

    def checked(self, results: Sequence[Result]) -> None:
        """Note what preflight found."""
        with _telling:
            self._watcher.checked(results)

    def scraped(self, report: Report) -> None:
        """Note what a scrape brought."""
        self.reports.append(report)
        with _telling:
            self._watcher.scraped(report)

    def delivered(self, receipt: Receipt) -> None:
        """Note that the controller took a batch."""
        self.receipts.append(receipt)
        with _telling:
            self._watcher.delivered(receipt)

    def end(self, ended: Ended) -> None:
        """Note how the run ended."""
        self._try(lambda run: self._history.end(run, ended))

    def told(self, project: str, ended: Ended) -> None:
        """Tell the watcher how the run ended."""
        with _telling:
            self._watcher.ended(project, ended)

    def _try(self, write: Callable[[int], None]) -> None:
        if self._run is None:
            return
        try:
            with _writing:
                write(self._run)
        except AgentError as error:
            self._run = None
            log.warning("this run is not kept in the history: %s", error)

"""What a project may do at the controller in a run, and what it has to wait for.

Something that lies there, of this project or another one, is finished first. What can't be finished stops a
registration, and the next batch of its own project, until it is too old.
"""

import logging
from collections.abc import Callable

from gros_agent import delivery, open_deliveries
from gros_agent.errors import AgentError, BusyError, ConfigurationError, DeliveryError
from gros_agent.receipts import Receipt
from gros_agent.settings import secrets
from gros_agent.settings.model import Settings
from gros_agent.sources.base import Progress
from gros_agent.tables.batch import ProjectFolder

log = logging.getLogger(__name__)


class Turn:
    """One project's turn in a run. ``stuck`` is shared by all of them: which deliveries can't be finished, and why."""

    def __init__(
        self, project: str, stuck: dict[str, AgentError], progress: Progress, tell: Callable[[Receipt], None]
    ) -> None:
        self._project = project
        self._stuck = stuck
        self._progress = progress
        self._tell = tell

    def finish_others(self, settings: Settings) -> AgentError | None:
        """Finish the open deliveries of other projects. Returns why nothing may be registered now, if so."""
        others = [one for one in settings.projects if one != self._project]
        obstacles = open_deliveries.obstacles(settings, others, lambda one: self._deliver(settings, one))
        return next(iter(obstacles.values()), None)

    def deliver_what_waits(self, settings: Settings) -> DeliveryError | None:
        """Deliver what was collected before. Returns why that has to be tried again after a registration, if so.

        Raises :class:`DeliveryError` or :class:`BusyError` where something is open and stays so.
        """
        try:
            self.export(settings)
        except (DeliveryError, BusyError) as error:
            record = open_deliveries.read(settings, self._project)
            lies_there = record is not None and record.stage != "uploading"
            if lies_there and not open_deliveries.give_up(settings, self._project):
                raise
            if not lies_there and isinstance(error, BusyError):  # another process works on the project
                raise
            log.warning("%s; trying again after the registration", error)
            return DeliveryError(error.message, error.hint)
        except ConfigurationError as error:
            if settings.key.exists():
                raise
            log.info("what was collected before waits for the registration, which makes the key")
            return DeliveryError(error.message, error.hint)
        self.check_imported(settings)
        return None

    def check_imported(self, settings: Settings) -> None:
        """Raise :class:`BusyError` while a batch of this project is imported: the next one would be mixed with it."""
        if open_deliveries.read(settings, self._project) is None or open_deliveries.give_up(settings, self._project):
            return
        raise BusyError(*open_deliveries.still_importing(self._project))

    def check_registered(self, settings: Settings, reason: AgentError) -> None:
        """Raise the reason why there is no registration now, unless a scrape does without one."""
        folder = ProjectFolder(settings.home.export / self._project)
        batch = folder.batch()
        waits = batch is not None and not batch.delivered and bool(batch.rows)
        known = secrets.find(settings.home.root, self._project) is not None and settings.key.exists()
        if waits or not known or not delivery.our_trackers_count(settings, self._project):
            raise reason

    def registered(self) -> None:
        """Note that the project was registered: what was stuck before may go now."""
        self._stuck.pop(self._project, None)

    def export(self, settings: Settings) -> None:
        """Deliver what the project has. Raises :class:`DeliveryError` where it is not delivered, or not imported."""
        receipt = self._deliver(settings, self._project)
        if receipt is not None:
            self._tell(receipt)
            if receipt.imported is False:
                raise delivery.not_imported(self._project)

    def _deliver(self, settings: Settings, project: str) -> Receipt | None:
        """Deliver what a project has. One that is stuck is tried once in a run, and then said to be so."""
        if project in self._stuck:
            raise self._stuck[project]
        try:
            receipt = delivery.export(settings, project, progress=self._progress)
        except (DeliveryError, BusyError) as error:
            self._stuck[project] = error
            raise
        if open_deliveries.read(settings, project) is not None:
            self._stuck[project] = BusyError(*open_deliveries.still_importing(project))
        return receipt

"""What a project may do at the controller in a run, and what it has to wait for.

Something that lies there, of this project or another one, is finished first. What can't be finished stops
registrations until it is too old; collecting goes on meanwhile, and what is collected waits.
"""

import logging
from collections.abc import Callable

from gros_agent.deliver import contact, delivery, open_deliveries, outbox
from gros_agent.deliver.receipts import Receipt
from gros_agent.errors import AgentError, BusyError, ConfigurationError, DeliveryError
from gros_agent.privacy import secrets
from gros_agent.settings.model import Settings
from gros_agent.sources.base import Progress

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
        obstacles = delivery.obstacles(settings, others, lambda one: self._deliver(settings, one))
        return next(iter(obstacles.values()), None)

    def deliver_what_waits(self, settings: Settings) -> AgentError | None:
        """Deliver what was collected before. Returns why something still waits, if so.

        Raises :class:`BusyError` where another process works on the project, and :class:`ConfigurationError`.
        """
        try:
            self.export(settings)
        except DeliveryError as error:
            log.warning("project %s: %s", self._project, error)
            delivery.give_up(settings, self._project)
            return error
        except BusyError as error:
            record = open_deliveries.read(settings, self._project)
            if record is None or record.stage == "uploading":
                raise  # another process works on the project
            delivery.give_up(settings, self._project)
            return error
        except ConfigurationError as error:
            if settings.key.exists():
                raise
            log.info("what was collected before waits for the registration, which makes the key")
            return DeliveryError(error.message, error.hint)
        return self._unfinished(settings)

    def obstacle(self, settings: Settings, waits: AgentError | None) -> AgentError | None:
        """Why this project may not be registered now: the controller may work on a batch of it."""
        if not open_deliveries.is_with_the_controller(settings, self._project):
            return None
        return waits or self._unfinished(settings)

    def _unfinished(self, settings: Settings) -> AgentError | None:
        if not open_deliveries.is_with_the_controller(settings, self._project):
            return None
        if delivery.give_up(settings, self._project):
            return None
        return BusyError(*open_deliveries.still_importing(self._project))

    def check_registered(self, settings: Settings, reason: AgentError) -> None:
        """Raise the reason why there is no registration now, unless a scrape does without one."""
        is_known = secrets.find(settings.home.root, self._project) is not None and settings.key.exists()
        kept = outbox.waiting(settings, self._project)
        if is_known and reason.away and contact.may_collect(settings, self._project):
            return
        if is_known and not reason.away and (kept or delivery.our_trackers_count(settings, self._project)):
            return
        waits = f", {len(kept)} {'batch waits' if len(kept) == 1 else 'batches wait'}" if kept else ""
        if kept or isinstance(reason, BusyError):
            raise DeliveryError(f"{self._project} was not collected{waits}: {reason.message}", reason.hint)
        raise reason

    def registered(self) -> None:
        """Note that the project was registered: what was stuck before may go now."""
        self._stuck.pop(self._project, None)

    def export(self, settings: Settings) -> None:
        """Deliver what the project has. Raises :class:`DeliveryError` where it is not delivered, or not imported."""
        receipts = self._deliver(settings, self._project, self._tell)
        problem = delivery.problem_of(settings, self._project, receipts)
        if problem is not None:
            raise problem

    def _deliver(
        self, settings: Settings, project: str, tell: Callable[[Receipt], object] = lambda _: None
    ) -> tuple[Receipt, ...]:
        """Deliver what a project has. One that is stuck is tried once in a run, and then said to be so."""
        if project in self._stuck:
            raise self._stuck[project]
        try:
            receipts = delivery.export(settings, project, progress=self._progress, tell=tell)
            problem = delivery.problem_of(settings, project, receipts)
        except (DeliveryError, BusyError) as error:
            self._stuck[project] = error
            raise
        if problem is not None:
            self._stuck[project] = problem
        elif open_deliveries.is_with_the_controller(settings, project):
            self._stuck[project] = BusyError(*open_deliveries.still_importing(project))
        return receipts

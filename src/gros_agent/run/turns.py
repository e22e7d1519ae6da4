"""The steps of a run that need the controller: deliver, register, and whether it is time.

Open deliveries of this project and of others are finished first. A delivery that can't be finished stops registrations
until it is too old. Collecting goes on meanwhile, and its batches wait.
"""

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from gros_agent.controller.https import ControllerClient
from gros_agent.deliver import contact, delivery, open_deliveries, outbox
from gros_agent.deliver.receipts import Receipt
from gros_agent.deliver.registration import Registered, RegistrationOptions, register
from gros_agent.errors import AgentError, BusyError, ConfigurationError, DeliveryError, Own
from gros_agent.privacy import secrets
from gros_agent.run.watching import Note
from gros_agent.runtime import limits
from gros_agent.settings.environment import SOURCE_KEYS
from gros_agent.settings.model import ProjectSettings

if TYPE_CHECKING:
    from gros_agent.controller import answers

log = logging.getLogger(__name__)


IMPORT_SECONDS = 60.0
"""Time that a project waits for the import of another one's batch, before its own delivery is postponed."""
_LOOK_SECONDS = 2.0


@dataclass
class Turns:
    """What the turns of a run share: which deliveries can't be finished, and why, and who was registered last.

    ``is_over`` says that the run is interrupted, so that nobody's turn begins. Who holds the lock speaks with the
    controller. A registration clears the agent's files there, so that no other project delivers meanwhile.
    """

    stuck: dict[str, AgentError] = field(default_factory=dict)
    is_over: bool = False
    registered: str = ""
    lock: threading.Semaphore = field(default_factory=threading.Semaphore)


class Turn:
    """One project's turn in a run, which has something in common with the others.

    ``obstacle`` is the reason why the project can't be registered or delivered now. ``waits`` is the reason why earlier
    batches still wait.
    """

    def __init__(self, turns: Turns, note: Note) -> None:
        self._turns = turns
        self._stuck = turns.stuck
        self._note = note
        self._said: answers.ControllerStatus | None = None
        self._has_registered = False
        self.obstacle: AgentError | None = None
        self.waits: AgentError | None = None

    @contextmanager
    def alone(self, project: ProjectSettings) -> Iterator[None]:
        """Wait until no other project speaks with the controller, and keep it so for the block.

        If this project was registered in this run, and another one was meanwhile, it is registered again. Raises
        :class:`DeliveryError` if that is not possible now.
        """
        while not self._turns.lock.acquire(timeout=limits.left()):
            limits.check()
        try:
            if self._turns.is_over:
                raise KeyboardInterrupt
            if self._has_registered and self._turns.registered != project.key:
                self._register_again(project)
            yield
        finally:
            self._turns.lock.release()

    @property
    def is_away(self) -> bool:
        """Whether the controller does not answer."""
        return self.obstacle is not None and self.obstacle.away

    def deliver_what_waits(self, project: ProjectSettings) -> None:
        """Finish open deliveries, and deliver the batches that wait; register first if that is needed."""
        self.obstacle = self._away(project) or self._finish_others(project)
        if not self.is_away:
            self.waits = self._try_to_deliver(project)
            self.obstacle = self._unfinished_of(project, self.waits) or self.obstacle
        if self.waits is not None and self.obstacle is None:
            self._register_and_deliver(project, self.waits)

    def register(self, project: ProjectSettings) -> None:
        """Register, unless that was done already.

        If it is not possible, raise the reason unless a scrape can do without.
        """
        if self.obstacle is None and not self._has_registered:
            self._register_and_deliver(project, None)
        if self.obstacle is not None:
            self._go_on_without(project, self.obstacle)

    def is_too_early(self, project: ProjectSettings) -> bool:
        """Whether it is too early for a scrape, by the controller's answer or by its last known schedule."""
        if self.is_away:
            return not contact.is_due(project)
        if self._note.receipts:  # the schedule counts from what was delivered just now
            self._away(project)
        return self._said is not None and self._said.not_due

    def postponed(self, project: ProjectSettings, reason: AgentError) -> DeliveryError:
        """The error that says why the batch is not delivered now, and how many wait."""
        count = len(outbox.waiting(project))
        kept = f"{count} {'batch waits' if count == 1 else 'batches wait'}"
        if not reason.away:
            return DeliveryError(f"{project.key} was collected, and {kept}: {reason.message}", reason.hint)
        since = contact.read(project).away
        when = f" since {since.astimezone():%Y-%m-%d %H:%M:%S}" if since else ""
        words = f"the controller is away{when}: {project.key} was collected into the outbox, {kept}: {reason.message}"
        later = "a later run delivers it" if count == 1 else "a later run delivers them in order"
        return DeliveryError(words, f"{reason.hint}; {later}")

    def _away(self, project: ProjectSettings) -> AgentError | None:
        """The reason why the controller is away, or None. Notes its schedule if it answers."""
        if secrets.find(project.home.root, project.key) is None:
            return None
        try:
            self._said = ControllerClient(project.settings).status(project.key)
        except AgentError as error:
            if error.away:
                since = contact.note_away(project).away
                when = Own(f"{since.astimezone():%Y-%m-%d %H:%M:%S}" if since else "now")
                log.warning("project %s: the controller is away since %s: %s", project.key, when, error)
                return error
            log.debug("the controller did not say whether it is time: %s", error)
            return None
        tracker = self._said.components.get("tracker")
        if tracker is not None:
            contact.note_answer(project, tracker.interval, "" if tracker.ok else tracker.message)
        return None

    def _register_and_deliver(self, project: ProjectSettings, waits: AgentError | None) -> None:
        """Register, and deliver what waits. Whatever stops either becomes the obstacle."""
        self._note.stage("register")
        self._turns.registered = ""  # a registration whose answer is lost has cleared the folders all the same
        try:
            done = self._register(project, waits)
        except AgentError as error:
            if not error.away:
                raise
            contact.note_away(project)
            self.obstacle = error
            return
        self._has_registered = True
        self._turns.registered = project.key
        self._stuck.pop(project.key, None)  # what was stuck before may go now
        log.info("project %s: registered as %s; host key %s", project.key, Own(done.user), done.pinned)
        self._note.registered(done)
        self._publish_key(project)
        if waits:
            self.waits = self._try_to_deliver(project)
            self.obstacle = self.waits

    def _register_again(self, project: ProjectSettings) -> None:
        """Register again, since the registration of another project cleared the folders of this one."""
        until = time.monotonic() + IMPORT_SECONDS
        while (obstacle := self._finish_others(project)) is not None:
            if not isinstance(obstacle, BusyError) or time.monotonic() > until:
                raise self._not_again(project, obstacle)
            limits.sleep(_LOOK_SECONDS)
            for key in [key for key, error in self._stuck.items() if isinstance(error, BusyError)]:
                del self._stuck[key]
        self._register_and_deliver(project, None)
        if self.obstacle is not None:
            raise self._not_again(project, self.obstacle)

    @staticmethod
    def _not_again(project: ProjectSettings, reason: AgentError) -> DeliveryError:
        """The error before or after a scrape, if another project was registered meanwhile."""
        count = len(outbox.waiting(project))
        waits = f", {count} {'batch waits' if count == 1 else 'batches wait'}" if count else ""
        words = f"{project.key} could not be registered again after another project{waits}: {reason.message}"
        return DeliveryError(words, reason.hint)

    def _register(self, project: ProjectSettings, waits: AgentError | None) -> Registered:
        try:
            return register(project, RegistrationOptions(finish=False))
        except AgentError as error:
            if waits is not None and not error.away:
                raise waits from None  # what is kept is more worth telling
            raise

    def _publish_key(self, project: ProjectSettings) -> None:
        """Publish the key to the systems of the sources, if that is configured. A refusal is a warning."""
        if project.environment.get(SOURCE_KEYS):
            from gros_agent.deliver import source_keys  # noqa: PLC0415 (few want it)

            where = source_keys.Where(sources=True, credentials=True)
            for one in source_keys.publish(project, where, dry_run=False):
                if one.error:
                    log.warning("project %s: %s did not take the key: %s", project.key, one.host, one.error)
                else:
                    log.info("project %s: key at %s: %s", project.key, one.host, one.outcome)

    def _go_on_without(self, project: ProjectSettings, obstacle: AgentError) -> None:
        """Go on without a registration if possible, else raise the obstacle."""
        self._check_registered(project, obstacle)
        if obstacle.away:
            log.info("project %s: goes on without the controller: what is collected waits", project.key)
        else:
            log.warning("project %s: not registered in this run: %s", project.key, obstacle)

    def _finish_others(self, project: ProjectSettings) -> AgentError | None:
        """Finish the open deliveries of other projects.

        Returns the reason why nothing may be registered now, or None.
        """
        settings = project.settings
        others = [one for one in settings.projects if one != project.key]
        obstacles = delivery.obstacles(settings, others, lambda one: self._deliver(settings.project(one)))
        return next(iter(obstacles.values()), None)

    def _try_to_deliver(self, project: ProjectSettings) -> AgentError | None:
        """Deliver earlier batches. Returns the reason why some still wait, or None.

        Raises :class:`BusyError` where another process works on the project, and :class:`ConfigurationError`.
        """
        try:
            self.export(project)
        except DeliveryError as error:
            log.warning("project %s: %s", project.key, error)
            delivery.give_up(project)
            return error
        except BusyError as error:
            record = open_deliveries.read(project)
            if record is None or record.stage == "uploading":
                raise  # another process works on the project
            delivery.give_up(project)
            return error
        except ConfigurationError as error:
            if project.settings.key.exists():
                raise
            log.info("what was collected before waits for the registration, which makes the key")
            return DeliveryError(error.message, error.hint)
        return self._unfinished(project)

    def _unfinished_of(self, project: ProjectSettings, waits: AgentError | None) -> AgentError | None:
        """The reason why this project may not be registered now, or None: the controller may work on a batch of it."""
        if not open_deliveries.is_with_the_controller(project):
            return None
        return waits or self._unfinished(project)

    def _unfinished(self, project: ProjectSettings) -> AgentError | None:
        if not open_deliveries.is_with_the_controller(project):
            return None
        if delivery.give_up(project):
            return None
        return BusyError(*open_deliveries.still_importing(project.key))

    def _check_registered(self, project: ProjectSettings, reason: AgentError) -> None:
        """Raise the reason why there is no registration now, unless a scrape can do without."""
        is_known = secrets.find(project.home.root, project.key) is not None and project.settings.key.exists()
        kept = outbox.waiting(project)
        if is_known and reason.away and contact.may_collect(project):
            return
        if is_known and not reason.away and (kept or delivery.our_trackers_count(project)):
            return
        waits = f", {len(kept)} {'batch waits' if len(kept) == 1 else 'batches wait'}" if kept else ""
        if kept or isinstance(reason, BusyError):
            raise DeliveryError(f"{project.key} was not collected{waits}: {reason.message}", reason.hint)
        raise reason

    def export(self, project: ProjectSettings) -> None:
        """Deliver the project's batches. Raises :class:`DeliveryError` if one is not delivered or not imported."""
        receipts = self._deliver(project, self._note.delivered)
        problem = delivery.problem_of(project, receipts)
        if problem is not None:
            raise problem

    def _deliver(
        self, project: ProjectSettings, tell: Callable[[Receipt], object] = lambda _: None
    ) -> tuple[Receipt, ...]:
        """Deliver a project's batches.

        A delivery that fails is tried once in a run; later calls raise the same error.
        """
        if project.key in self._stuck:
            raise self._stuck[project.key]
        try:
            receipts = delivery.export(project, progress=self._note.progress, tell=tell)
            problem = delivery.problem_of(project, receipts)
        except (DeliveryError, BusyError) as error:
            self._stuck[project.key] = error
            raise
        if problem is not None:
            self._stuck[project.key] = problem
        elif open_deliveries.is_with_the_controller(project):
            self._stuck[project.key] = BusyError(*open_deliveries.still_importing(project.key))
        return receipts

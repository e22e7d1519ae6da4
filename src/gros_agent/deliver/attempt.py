"""One attempt to deliver one batch: upload, announce, find out whether the controller took it, and how its import ends.

A controller that knows batches is asked about this one. Any other controller removes the files when it takes them, and
the trackers that it leaves for the agent show how the import ended (:mod:`.imports`). Missing files are no proof, since
a registration removes them as well.
"""

import hashlib
import logging
import time
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path

import msgspec

from gros_agent.controller import ControllerError, capabilities
from gros_agent.controller.https import TRIES, ControllerClient, agent_user, hostname
from gros_agent.controller.reach import connect, ssh_address
from gros_agent.deliver import imports, open_deliveries, outbox, receipts
from gros_agent.deliver.imports import Import
from gros_agent.deliver.open_deliveries import NO_SIGNS, Delivery, Signs, Stage
from gros_agent.deliver.outbox import Waiting
from gros_agent.deliver.receipts import File, Receipt, files_of
from gros_agent.errors import BusyError, DeliveryError
from gros_agent.runtime.retry import PassingError, repeat
from gros_agent.settings.model import ProjectSettings
from gros_agent.sources.base import Progress

log = logging.getLogger(__name__)

_POLL_SECONDS = 0.5


class Attempt:
    """Tries to deliver the batches of a project in order, or to find out how the previous import ended.

    ``seconds`` is how long to wait for the controller. The project's folder must be locked.
    """

    def __init__(self, project: ProjectSettings, known_hosts: Path | None, seconds: float, progress: Progress) -> None:
        self._project = project
        self._known_hosts = known_hosts
        self._seconds = seconds
        self._progress = progress
        self._files: tuple[File, ...] = ()
        self._place = f"export/{project.key}"
        self.knows_batches = capabilities.BATCH in capabilities.capabilities(project)

    def deliver(self, one: Waiting, before: Delivery | None) -> Receipt:
        """Upload a batch and announce it, unless the controller took it after an earlier announcement.

        Raises :class:`ControllerError`, and :class:`DeliveryError` if it can't be determined whether the controller
        imported the batch.
        """
        self._files = files_of(one.folder, one.manifest)
        if before is not None and before.stage != "uploading":
            if self._was_taken(one, before):
                return self._taken(one, "", before.signs)
            self._check_not_announced(one)
        self._check_folder()
        way, signs = self._upload(one)
        self._note(one, "announcing", signs)
        try:
            self._announce(one)
        except ControllerError as error:
            if not self._is_taken(one, 0):
                self._note(one, "uploading", refused=True)  # and nothing was done
                raise
            log.warning("project %s: the batch was taken anyway: %s", self._project.key, error)
        else:
            self._note(one, "announced", signs)
        if not self._is_taken(one, self._seconds):
            raise ControllerError(*_not_taken(self._seconds))
        return self._taken(one, way, signs)

    def settle(self, before: Delivery) -> Receipt | None:
        """Note how the import of an earlier batch ended.

        Raises :class:`BusyError` while it goes on, and :class:`DeliveryError` if only the trackers that a registration
        brings can show how it ended.
        """
        receipt = receipts.read(self._project, before.batch)
        if before.stage == "presumed":
            found = self._after_registration(before, receipt)
            if found is Import.FAILED and not self._imports_nothing():  # the import that goes on may be of this batch
                raise BusyError(*open_deliveries.still_importing(self._project.key))
            return self._ended(before.batch, receipt, found)
        self._progress(f"{self._project.key}: waits for the import of the batch before", 0, None)
        found = self._look(receipt, before.signs)
        if found is Import.UNDER_WAY:
            raise BusyError(*open_deliveries.still_importing(self._project.key))
        if found in {Import.WIPED, Import.HIDDEN, Import.FAILED} and not self._imports_nothing():
            raise BusyError(*open_deliveries.still_importing(self._project.key))
        if found is Import.WIPED or (found in {Import.ENDED, Import.HIDDEN} and receipt and _handed(receipt)):
            open_deliveries.note(self._project, before.batch, "presumed", before.signs)
            raise DeliveryError(*_only_a_registration_tells(self._project.key))
        return self._ended(before.batch, receipt, found)

    def _after_registration(self, before: Delivery, receipt: Receipt | None) -> Import:
        """Whether a batch was imported, according to the trackers that a registration brought from the database."""
        known = capabilities.registration(self._project)
        is_newer = known is not None and before.noted is not None and known.registered > before.noted
        if not is_newer or capabilities.last_registered(self._project.settings) != self._project.key:
            raise DeliveryError(*_only_a_registration_tells(self._project.key))
        changed = self._changed(before, receipt)
        with connect(self._project, self._known_hosts) as connection:
            return Import.IMPORTED if imports.is_in_database(connection, self._project.key, changed) else Import.FAILED

    def _changed(self, before: Delivery, receipt: Receipt | None) -> dict[str, str]:
        """The trackers that the batch changed and that a registration brings back: file name → SHA-256."""
        for one in outbox.waiting(self._project):
            if one.manifest.identifier == before.batch:
                found = _trackers(files_of(one.folder, one.manifest))
                return {
                    name: digest
                    for name, digest in found.items()
                    if name in imports.HANDED_BACK and digest != _digest(one.manifest.trackers.get(name))
                }
        known = _trackers(receipt.files if receipt else ())  # written by an agent version that kept no batches
        names = {before.telling} if before.telling in known else imports.HANDED_BACK.intersection(known)
        return {name: known[name] for name in names}

    def give_up(self, one: Waiting, before: Delivery) -> None:
        """Start the delivery of an announced batch again, unless the controller has it or that can't be seen."""
        self._files = files_of(one.folder, one.manifest)
        try:
            taken = self._is_taken(one, 0)
        except ControllerError as error:
            log.info("project %s: can't find out whether the controller has the batch: %s", self._project.key, error)
            taken = not self.knows_batches  # a controller that knows batches takes each of them once
        if not taken:
            log.warning("project %s: its batch was not taken: it is delivered again", self._project.key)
            self._note(one, "uploading", refused=True)
        elif not self.knows_batches:
            self._note(one, "presumed", before.signs)

    def _imports_nothing(self) -> bool:
        """Whether the controller reports that no import is running."""
        try:
            importer = ControllerClient(self._project.settings).status(self._project.key).components.get("importer")
        except ControllerError as error:
            log.info("project %s: can't find out whether an import is running: %s", self._project.key, error)
            return False
        return importer is None or importer.ok

    def _was_taken(self, one: Waiting, before: Delivery) -> bool:
        """Whether the controller took the batch after an earlier announcement. If that is recent, wait for it."""
        left = self._seconds - open_deliveries.seconds_so_far(before)
        try:
            return self._is_taken(one, max(left, 0))
        except ControllerError as error:
            if error.stranger and not self.knows_batches:
                self._note(one, "presumed", before.signs)
                raise DeliveryError(*_only_a_registration_tells(self._project.key)) from error
            raise

    def _is_taken(self, one: Waiting, seconds: float) -> bool:
        """Wait until the controller has taken the announced batch, and return whether it has.

        Raises :class:`ControllerError` if it refused the batch.
        """
        return self._answers_taken(one, seconds) if self.knows_batches else not self._wait_for_pick_up(seconds)

    def _answers_taken(self, one: Waiting, seconds: float) -> bool:
        client = ControllerClient(self._project.settings)
        end, pause = time.monotonic() + seconds, _POLL_SECONDS / 4
        while (found := client.batch(self._project.key, one.manifest.identifier)).state == "announced":
            left = end - time.monotonic()
            if left <= 0:
                return False
            self._progress(f"{self._project.key}: waits until the controller has taken the batch", 0, None)
            time.sleep(min(pause, left))
            pause = min(pause * 2, _POLL_SECONDS * 8)
        if found.state == "refused":
            self._note(one, "uploading", refused=True)
            raise ControllerError(
                f"the controller refused the batch: {found.reason or 'without a reason'}",
                "the next export uploads it again; see the controller's log",
            )
        return found.state == "taken"

    def _check_not_announced(self, one: Waiting) -> None:
        """Raise :class:`ControllerError` if the controller still has to process an earlier announcement."""
        if not self.knows_batches:
            return
        if (
            ControllerClient(self._project.settings).batch(self._project.key, one.manifest.identifier).state
            == "announced"
        ):
            raise ControllerError(*_not_taken(self._seconds))
        self._note(one, "uploading", refused=True)  # unknown there: a registration is safe

    def _check_folder(self) -> None:
        last = capabilities.last_registered(self._project.settings)
        if last not in {None, self._project.key}:
            raise ControllerError(
                f"the registration of project {last} cleared its folder at the controller",
                "register this project again; a run does so",
            )

    def _announce(self, one: Waiting) -> None:
        names = {
            heading: [file.name for file in self._files if file.heading == heading]
            for heading in ("export", "update", "other")
        }
        what = "takes the batch" if self.knows_batches else "takes and imports the batch: its answer may take long"
        self._progress(f"{self._project.key}: the controller {what}", 0, None)
        user, batch = agent_user(self._project), one.manifest.identifier
        client = ControllerClient(self._project.settings)
        knows = self.knows_batches
        told = one.manifest if knows else None
        client.announce(self._project.key, names, user, hostname(), batch, repeatable=knows, about=told)

    def _upload(self, one: Waiting) -> tuple[str, Signs]:
        """Upload all files. If a connection breaks, the next try resumes at the interrupted file.

        Returns the protocol that was used, and the signs that will show the end of the import.
        """
        left = list(self._files)

        def upload() -> tuple[str, Signs]:
            try:
                with connect(self._project, self._known_hosts) as connection:
                    self._note(one, "uploading")  # from here on a registration would remove uploaded files
                    while left:
                        done = len(self._files) - len(left)
                        self._progress(f"{self._project.key}: upload", done, len(self._files))
                        connection.put(receipts.local(one.folder, left[0].name), self._place, left[0].name)
                        left.pop(0)
                    if self.knows_batches:
                        return connection.way, NO_SIGNS
                    return connection.way, imports.prepare(connection, self._project.key, _trackers(self._files))
            except ControllerError as error:
                if error.transient:
                    raise PassingError(error) from None
                raise

        return repeat(
            upload, TRIES, lambda error: log.warning("project %s: %s; trying again", self._project.key, error)
        )

    def _wait_for_pick_up(self, seconds: float) -> bool:
        """Wait until the controller has removed the files. Returns whether any file is left."""
        smallest = sorted(self._files, key=lambda file: file.size)
        end = time.monotonic() + seconds
        pause = _POLL_SECONDS / 4
        with connect(self._project, self._known_hosts) as connection:
            while any(connection.exists(self._place, file.name) for file in smallest):
                if time.monotonic() >= end:
                    return True
                self._progress(f"{self._project.key}: waits until the controller has taken the batch", 0, None)
                time.sleep(pause)
                pause = min(pause * 2, _POLL_SECONDS * 8)
        return False

    def _taken(self, one: Waiting, way: str, signs: Signs) -> Receipt:
        """Keep the receipt of a batch that was taken, and then find out how its import ends."""
        host, port = ssh_address(self._project.settings)
        receipt = Receipt(
            project=self._project.key,
            batch=one.manifest.identifier,
            controller=f"{agent_user(self._project)}@{host}:{port}",
            delivered=datetime.now().astimezone(),
            way=way,
            files=self._files,
            known_by="controller" if self.knows_batches else "presumption",
        )
        receipts.keep(self._project.settings, receipt)
        log.info("project %s: delivered %d rows to %s", self._project.key, receipt.rows, receipt.controller)
        if not self.knows_batches:
            self._note(one, "importing", signs)
            return self._watch(receipt, signs)
        self._end(receipt.batch, delivered=True)
        return receipt

    def _watch(self, receipt: Receipt, signs: Signs) -> Receipt:
        self._progress(f"{self._project.key}: waits for the end of the import", 0, None)
        try:
            found = self._look(receipt, signs)
        except ControllerError as error:
            log.warning("project %s: can't find out now whether the import has ended: %s", self._project.key, error)
            return receipt
        if found in {Import.UNDER_WAY, Import.HIDDEN, Import.WIPED} or (found is Import.ENDED and _handed(receipt)):
            log.info("project %s: the result of the import is not known yet: the next batch waits", self._project.key)
            return receipt
        if found is Import.FAILED and not self._imports_nothing():  # a registration may have emptied the folder
            return receipt
        return self._ended(receipt.batch, receipt, found) or receipt

    def _look(self, receipt: Receipt | None, signs: Signs) -> Import:
        trackers = _trackers(receipt.files if receipt else ())
        try:
            with connect(self._project, self._known_hosts) as connection:
                return imports.wait(connection, self._project.key, trackers, signs, self._seconds)
        except ControllerError as error:
            if error.stranger:
                return Import.WIPED
            raise

    def _ended(self, batch: str, receipt: Receipt | None, found: Import) -> Receipt | None:
        """Store how an import ended. A batch whose import failed waits again."""
        imported = {Import.IMPORTED: True, Import.FAILED: False}.get(found)
        if imported:
            log.info("project %s: the controller imported the batch", self._project.key)
        elif imported is False:
            log.error("project %s: the controller could not import the batch: see its export.log", self._project.key)
        if receipt is not None:
            known_by = receipt.known_by if imported is None else "import"
            receipt = msgspec.structs.replace(receipt, imported=imported, known_by=known_by)
            receipts.keep(self._project.settings, receipt)
        self._end(batch, delivered=imported is not False)
        return receipt

    def _end(self, batch: str, *, delivered: bool) -> None:
        """Remove a delivered batch from the outbox, and close its delivery.

        If the agent is killed in between, the next run asks the controller again.
        """
        if delivered:
            outbox.forget(self._project, batch)
        open_deliveries.forget(self._project)

    def _note(self, one: Waiting, stage: Stage, signs: Signs = NO_SIGNS, *, refused: bool = False) -> None:
        open_deliveries.note(self._project, one.manifest.identifier, stage, signs, refused=refused)


def _not_taken(seconds: float) -> tuple[str, str]:
    return (
        f"the controller has not taken the announced batch within {seconds:g} s",
        "see the controller's log; the next export goes on",
    )


def _only_a_registration_tells(project: str) -> tuple[str, str]:
    return (
        f"can't find out whether the controller imported the last batch of {project}",
        "register the project, as a run does: the trackers from the database then show it",
    )


def _digest(text: str | None) -> str:
    return "" if text is None else hashlib.sha256(text.encode()).hexdigest()


def _handed(receipt: Receipt) -> bool:
    """Whether the batch has trackers that a registration brings back."""
    return bool(imports.HANDED_BACK.intersection(_trackers(receipt.files)))


def _trackers(files: Iterable[File]) -> dict[str, str]:
    """The trackers of a delivery: file name → SHA-256."""
    return {file.name: file.sha256 for file in files if file.heading == "update"}

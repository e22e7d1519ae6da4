"""One try to deliver one batch: upload, announce, wait until the controller took it, and see how its import ends."""

import logging
import random
import time
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path

import msgspec

from gros_agent import capabilities, imports, open_deliveries, receipts
from gros_agent.controller import ControllerError
from gros_agent.controller.client import TRIES, ControllerClient, agent_user, hostname
from gros_agent.controller.reach import connect, ssh_address
from gros_agent.errors import BusyError
from gros_agent.imports import Import
from gros_agent.logs import RETRY
from gros_agent.open_deliveries import NO_SIGNS, Delivery, Signs, Stage
from gros_agent.receipts import File, Receipt, files_of
from gros_agent.settings.model import Settings
from gros_agent.sources.base import Progress
from gros_agent.tables.batch import Manifest, ProjectFolder

log = logging.getLogger(__name__)

_POLL_SECONDS = 0.5


class Outbox:
    """One try to deliver one batch, or to see how the import of the one before ended."""

    def __init__(
        self,
        settings: Settings,
        project: str,
        folder: ProjectFolder,
        known_hosts: Path | None,
        seconds: float,
        progress: Progress,
    ) -> None:
        self._settings = settings
        self._project = project
        self._folder = folder
        self._known_hosts = known_hosts
        self._seconds = seconds
        self._progress = progress
        self._knows_batches = capabilities.BATCH in capabilities.capabilities(settings, project)
        self._files: tuple[File, ...] = ()
        self._place = f"export/{project}"

    def deliver(self, batch: Manifest, before: Delivery | None) -> Receipt:
        """Upload a batch and announce it, unless the files of an earlier announcement were taken."""
        self._files = files_of(self._folder, batch)
        if before is not None and before.stage != "uploading" and self._was_taken(before):
            return self._taken(batch, "", before.signs)
        self._check_folder()
        way, signs = self._upload(batch)
        self._note(batch, "announcing", signs)
        try:
            self._announce(batch)
        except ControllerError as error:
            if self._wait_for_pick_up(0):
                self._note(batch, "uploading")  # refused, and nothing was done
                raise
            log.warning("project %s: the batch was taken all the same: %s", self._project, error)
        else:
            self._note(batch, "announced", signs)
        if self._wait_for_pick_up(self._seconds):
            raise ControllerError(
                f"the controller has not taken the announced batch within {self._seconds:g} s",
                "see the controller's log; the next export goes on",
            )
        return self._taken(batch, way, signs)

    def settle(self, before: Delivery) -> Receipt | None:
        """Note how the import of an earlier batch ended. Raises :class:`BusyError` while it goes on."""
        receipt = receipts.read(self._settings, self._project, before.batch)
        self._progress(f"{self._project}: waits for the import of the batch before", 0, None)
        found = self._look(receipt, before.signs)
        if found is Import.UNDER_WAY:
            raise BusyError(*open_deliveries.still_importing(self._project))
        return self._ended(receipt, found)

    def _was_taken(self, before: Delivery) -> bool:
        """Whether the files of an announcement are gone; soon after it they may be about to be taken."""
        left = self._seconds - open_deliveries.seconds_so_far(before)
        return not self._wait_for_pick_up(max(left, 0))

    def _check_folder(self) -> None:
        last = capabilities.last_registered(self._settings)
        if last not in {None, self._project}:
            raise ControllerError(
                f"the registration of project {last} cleared its folder at the controller",
                "register this project again; a run does so",
            )

    def _announce(self, batch: Manifest) -> None:
        names = {
            heading: [one.name for one in self._files if one.heading == heading]
            for heading in ("export", "update", "other")
        }
        what = "takes the batch" if self._knows_batches else "takes and imports the batch: its answer may take long"
        self._progress(f"{self._project}: the controller {what}", 0, None)
        user = agent_user(self._settings, self._project)
        client = ControllerClient(self._settings)
        client.announce(self._project, names, user, hostname(), batch.identifier, repeatable=self._knows_batches)

    def _upload(self, batch: Manifest) -> tuple[str, Signs]:
        """Upload all files, again from the file where a connection broke.

        Returns the way they went, and by what the end of the import will show.
        """
        waiting = list(self._files)
        for attempt in range(1, TRIES + 1):
            try:
                with connect(self._settings, self._project, self._known_hosts) as connection:
                    self._note(batch, "uploading")  # from here on a registration would clear what is there
                    while waiting:
                        done = len(self._files) - len(waiting)
                        self._progress(f"{self._project}: upload", done, len(self._files))
                        connection.put(receipts.local(self._folder, waiting[0].name), self._place, waiting[0].name)
                        waiting.pop(0)
                    if self._knows_batches:
                        return connection.way, NO_SIGNS
                    return connection.way, imports.prepare(connection, self._project, _trackers(self._files))
            except ControllerError as error:
                if not error.transient or attempt == TRIES:
                    raise
                log.warning("project %s: %s; trying again", self._project, error, extra=RETRY)
                time.sleep(random.uniform(0.5, 1.5) * attempt)  # noqa: S311 (jitter, no secret)
        raise AssertionError("the last try returns or raises")

    def _wait_for_pick_up(self, seconds: float) -> bool:
        """Wait until the controller has taken the files. Returns whether any is left."""
        smallest = sorted(self._files, key=lambda one: one.size)
        end = time.monotonic() + seconds
        pause = _POLL_SECONDS / 4
        with connect(self._settings, self._project, self._known_hosts) as connection:
            while any(connection.exists(self._place, one.name) for one in smallest):
                if time.monotonic() >= end:
                    return True
                self._progress(f"{self._project}: waits until the controller has taken the batch", 0, None)
                time.sleep(pause)
                pause = min(pause * 2, _POLL_SECONDS * 8)
        return False

    def _taken(self, batch: Manifest, way: str, signs: Signs) -> Receipt:
        """Keep the receipt of a batch that was taken, and then see how its import ends."""
        host, port = ssh_address(self._settings)
        receipt = Receipt(
            project=self._project,
            batch=batch.identifier,
            controller=f"{agent_user(self._settings, self._project)}@{host}:{port}",
            delivered=datetime.now().astimezone(),
            way=way,
            files=self._files,
        )
        receipts.keep(self._settings, receipt)
        if self._knows_batches:
            self._folder.mark_delivered(receipt.delivered)
            open_deliveries.forget(self._settings, self._project)
        else:
            self._note(batch, "importing", signs)
            self._folder.mark_delivered(receipt.delivered)
        log.info("project %s: delivered %d rows to %s", self._project, receipt.rows, receipt.controller)
        return receipt if self._knows_batches else self._watch(receipt, signs)

    def _watch(self, receipt: Receipt, signs: Signs) -> Receipt:
        self._progress(f"{self._project}: waits for the end of the import", 0, None)
        try:
            found = self._look(receipt, signs)
        except ControllerError as error:
            log.warning("project %s: whether the import has ended can't be seen now: %s", self._project, error)
            return receipt
        if found in {Import.UNDER_WAY, Import.HIDDEN}:
            log.info("project %s: it does not show yet that the import has ended: the next batch waits", self._project)
            return receipt
        return self._ended(receipt, found) or receipt

    def _look(self, receipt: Receipt | None, signs: Signs) -> Import:
        trackers = _trackers(receipt.files if receipt else ())
        with connect(self._settings, self._project, self._known_hosts) as connection:
            return imports.wait(connection, self._project, trackers, signs, self._seconds)

    def _ended(self, receipt: Receipt | None, found: Import) -> Receipt | None:
        """Keep how an import ended."""
        imported = {Import.IMPORTED: True, Import.FAILED: False}.get(found)
        if imported:
            log.info("project %s: the controller imported the batch", self._project)
        elif imported is False:
            log.error("project %s: the controller could not import the batch: see its export.log", self._project)
        if receipt is not None:
            receipt = msgspec.structs.replace(receipt, imported=imported)
            receipts.keep(self._settings, receipt)
        open_deliveries.forget(self._settings, self._project)
        return receipt

    def _note(self, batch: Manifest, stage: Stage, signs: Signs = NO_SIGNS) -> None:
        open_deliveries.note(self._settings, self._project, batch.identifier, stage, signs)


def _trackers(files: Iterable[File]) -> dict[str, str]:
    """The trackers of a delivery: file name → SHA-256."""
    return {one.name: one.sha256 for one in files if one.heading == "update"}

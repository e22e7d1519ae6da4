"""One project's scrape: for each source collect, pseudonymise, write; then publish the batch.

A source that fails is an outcome, and its rows are taken back; the others go on.
"""

import logging
import shutil
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock
from typing import Any

from gros_agent.collect import positions
from gros_agent.collect.engine import drain
from gros_agent.collect.positions import document_names, read_documents, read_trackers, tracker_names
from gros_agent.collect.project_secrets import PLAIN_NOTE, pseudonymiser_of
from gros_agent.controller import capabilities
from gros_agent.deliver import outbox
from gros_agent.errors import AgentError, ExitStatus, Own, SourceError
from gros_agent.privacy.pseudonyms import Pseudonymiser
from gros_agent.project import entries
from gros_agent.project.boundary import around
from gros_agent.project.configured import check_key
from gros_agent.project.context import located, parts_of, source_context, source_host, tables_of
from gros_agent.project.description import TRACKERS, describe, encoded, updates
from gros_agent.project.discovery import Discovered, discover, note_options
from gros_agent.project.report import Outcome, Report, collected_outcome, failed, unavailable
from gros_agent.project.scrape_options import ScrapeOptions
from gros_agent.rows import LARGEST_INTEGER, Project, Row, SourceId, VcsVersion
from gros_agent.runtime import own, parallel
from gros_agent.runtime.logs import IN_RESULTS, SCRAPE_LOG, ProjectLog
from gros_agent.runtime.storage import make_private, replace_file, storage_errors
from gros_agent.runtime.urls import host_of
from gros_agent.settings.model import Settings
from gros_agent.sources.base import Context, Part, Progress, SourceEntry, no_progress
from gros_agent.sources.common.capacity import Capacity
from gros_agent.tables import trackers
from gros_agent.tables.batch import ENVIRONMENTS, Manifest, ProjectFolder
from gros_agent.tables.writer import Joined, Writer, join

log = logging.getLogger(__name__)

AT_ONCE = 8
"""Sources that are collected at the same time: most of them wait for a host, those that compute wait for a core."""
PER_HOST = 4
"""Of them on the same host: OpenSSH's servers begin to refuse connections at ten (MaxStartups of sshd_config(5))."""


def scrape(
    settings: Settings,
    project: str,
    options: ScrapeOptions,
    tell: Callable[[Report], None],
    progress: Progress = no_progress,
) -> ExitStatus:
    """Scrape one project and tell the report, before the batch counts as known. Raises :class:`AgentError`."""
    check_key(settings, project, options)
    for private in (settings.home.state, settings.home.state / "repos"):
        make_private(private)
    reports = settings.controller(project) is not None and not options.no_ssh
    folder = ProjectFolder(settings.home.export / project)
    with folder.locked():
        unreported = folder.recover()
        outbox.tidy(settings, project)
        if unreported is not None:
            report = _recovered(project, folder, unreported)
        else:
            _make_room(settings, project, folder, options)
            with _logged(folder, options) as ended:
                report = _Scrape(settings, project, options, folder, progress, reports=reports).run()
                ended(report.status)
        tell(report)
        folder.acknowledge()
    return report.status


def _logged(folder: ProjectFolder, options: ScrapeOptions) -> AbstractContextManager[Callable[[ExitStatus], None]]:
    return nullcontext(lambda _: None) if options.is_logged else project_log(folder.path, in_results=True)


@contextmanager
def project_log(folder: Path, *, in_results: bool = False) -> Iterator[Callable[[ExitStatus], None]]:
    """Keep the log of a scrape beside its tables; to be told how the scrape ended, if no error says it.

    ``in_results`` says whether the caller shows an error as a result, too.
    """
    with storage_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        file = ProjectLog(folder / SCRAPE_LOG)
    status = ExitStatus.UNEXPECTED
    own.know((folder.name,))

    def ended(how: ExitStatus) -> None:
        nonlocal status
        status = how

    try:
        yield ended
    except AgentError as error:
        log.error("%s", error, extra=IN_RESULTS if in_results else None)  # noqa: TRY400 (in words)
        status, error.is_logged = error.status, True
        raise
    finally:
        file.end(status)


def _recovered(project: str, folder: ProjectFolder, manifest: Manifest) -> Report:
    made = f"{manifest.made:%Y-%m-%d %H:%M:%S}"
    return Report(
        project=project,
        tables=manifest.tables,
        folder=folder.path,
        notes=(f"finished a scrape of {made} that was interrupted at its very end; run again for what came since",),
    )


def _make_room(settings: Settings, project: str, folder: ProjectFolder, options: ScrapeOptions) -> None:
    """See to what waits: discard the newest batch where that is wanted, or keep it where nothing writes to it.

    Raises :class:`DeliveryError` where so much waits that nothing more may be collected.
    """
    batch = folder.batch()
    if options.discard and batch is not None and not batch.delivered:
        outbox.check_at_home(settings, project, batch.identifier)
        outbox.discard(settings, project, folder)
        made = Own(f"{batch.made:%Y-%m-%d %H:%M:%S}")
        log.warning("project %s: threw away the batch of %s with %d rows", project, made, batch.rows)
    outbox.set_aside(settings, project)
    outbox.check_room(settings, project)


def _take_trackers(settings: Settings, project: str, folder: ProjectFolder, names: Iterable[str]) -> None:
    """Put the controller's trackers in place of the local ones; one that it does not have means from the start."""
    from gros_agent.deliver import delivery  # noqa: PLC0415 (slow to import, and many have no controller)

    if not delivery.controllers_trackers_count(settings, project):
        log.info("project %s: goes on from the trackers that lie here, not from those of the controller", project)
        return
    try:
        found = delivery.fetch_trackers(settings, project, tuple(dict.fromkeys(names)))
    except AgentError as error:
        if not (error.away and delivery.our_trackers_count(settings, project)):
            raise
        log.warning("project %s: goes on from the trackers that lie here: %s", project, error)
        return
    for name, content in found.items():
        with storage_errors(folder.path):
            if content is None:
                (folder.path / name).unlink(missing_ok=True)
            else:
                replace_file(folder.path / name, content)


@dataclass(frozen=True)
class _Collected:
    """What became of a part, and its rows and position if it was collected."""

    outcome: Outcome
    writer: Writer | None = None
    position: str | None = None
    documents: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    published: Callable[[], object] = lambda: None


class _Scrape:
    """One run over the sources of a project, into a staging folder."""

    def __init__(
        self,
        settings: Settings,
        project: str,
        options: ScrapeOptions,
        folder: ProjectFolder,
        progress: Progress,
        *,
        reports: bool,
    ) -> None:
        self._settings = settings
        self._reports = reports
        self._project = project
        self._options = options
        self._folder = folder
        self._told = progress
        self._lock = Lock()
        self._capacity = Capacity()
        self._positions: dict[str, dict[str, str]] = {}
        self._documents: dict[str, dict[str, Any]] = {}
        self._whole_numbers = False

    def run(self) -> Report:
        discovered = discover(self._settings, self._project, self._options, self._progress)
        tasks = [task for entry in discovered.entries for task in (parts_of(self._settings, entry) or (entry,))]
        parts = [task for task in tasks if isinstance(task, Part)]
        if self._reports:
            further = TRACKERS if discovered.definitions else ()
            names = (*tracker_names(parts), *document_names(parts), *further)
            _take_trackers(self._settings, self._project, self._folder, names)
        pseudonymiser = pseudonymiser_of(self._settings, self._project, self._options)
        self._whole_numbers = capabilities.WHOLE_NUMBERS in capabilities.capabilities(self._settings, self._project)
        self._positions = positions.in_utc(self._settings, self._project, read_trackers(self._folder.path, parts))
        self._documents = read_documents(self._folder.path, parts)

        def work(task: tuple[int, Part | SourceEntry]) -> _Collected:
            number, part = task
            if isinstance(part, SourceEntry):
                return _Collected(unavailable(part))
            return self._collect(part, staging / f"part-{number}", pseudonymiser)

        with self._folder.staging() as staging:
            done = parallel.run(
                list(enumerate(tasks)), work, at_once=AT_ONCE, lane=lambda task: self._host(task[1]), per_lane=PER_HOST
            )
            outcomes = (*_without_repetitions(discovered.outcomes, done), *(one.outcome for one in done))
            if all(one.writer is None for one in done):
                nothing = ("nothing was collected, so nothing was changed",)
                return Report(project=self._project, outcomes=outcomes, notes=nothing)
            collected = {
                task: one.writer is not None for task, one in zip(tasks, done, strict=True) if isinstance(task, Part)
            }
            described, about, counts = self._described(discovered, collected, staging, pseudonymiser)
            written = [*(one.writer for one in done if one.writer), described]
            tables = join(staging, dict.fromkeys((VcsVersion, *tables_of(parts), *about)), written)
            for folder in staging.glob("part-*"):
                shutil.rmtree(folder)
            rows = {table.path.name: table.count for table in tables} | counts
            note_options(self._settings, self._project, discovered)
            updates = self._trackers(tasks, done) | self._updates(discovered)
            positions.note(self._settings, self._project, self._positions)
            notes, lying = self._publish(staging, rows, updates)
            for one in done:
                self._tell_published(one)
        plain = () if pseudonymiser.encrypts else (PLAIN_NOTE,)
        notes = (*plain, *notes, *_unlisted(self._folder), *_limits(tables))
        return Report(project=self._project, outcomes=outcomes, tables=lying, folder=self._folder.path, notes=notes)

    def _publish(
        self, staging: Path, rows: Mapping[str, int], updates: Mapping[str, bytes]
    ) -> tuple[Iterable[str], Mapping[str, int]]:
        """Publish the batch; return what is to be said of the one before, which waits, and the rows that lie there."""
        if outbox.has_news(self._settings, self._project, rows, staging):
            self._folder.publish(staging, rows, updates)
            return tuple(_kept(self._settings, self._project)), rows
        stays = self._folder.publish_positions(staging, rows, updates)
        outbox.take_back(self._settings, self._project, stays.identifier)
        made, count = f"{stays.made:%Y-%m-%d %H:%M:%S}", sum(stays.tables.values())
        words = f"nothing is new: the batch of {made} with {count} rows stays; --full collects all again"
        return (words,), stays.tables

    def _described(
        self, discovered: Discovered, collected: Mapping[Part, bool], staging: Path, pseudonymiser: Pseudonymiser
    ) -> tuple[Writer, Sequence[type[Row]], dict[str, int]]:
        """Write what the project is and where its data lives: tables, and another file with so many rows."""

        def context(part: Part) -> Context:
            return source_context(self._settings, self._project, part, self._options, self._progress, self._capacity)

        said = describe(self._settings, self._project, discovered, collected, context)
        folder = staging / "part-project"
        rows: Sequence[type[Row]] = (Project,) if said.identifiers is None else (Project, SourceId)
        with storage_errors(staging):
            folder.mkdir()
            if said.environments:
                (staging / ENVIRONMENTS).write_bytes(encoded(said.environments))
        with Writer(folder, rows, whole_numbers=self._whole_numbers) as writer:
            writer.write(pseudonymiser.rows([said.project]))
            writer.write(pseudonymiser.rows(said.identifiers or ()))
            writer.close()
        return writer, rows, {ENVIRONMENTS: len(said.environments)} if said.environments else {}

    def _updates(self, discovered: Discovered) -> dict[str, bytes]:
        new = updates(discovered)
        return {
            name: trackers.encode_document(trackers.merged(trackers.read_document(self._folder.path / name), new))
            for name in (TRACKERS if new else ())
        }

    def _trackers(self, tasks: Sequence[Part | SourceEntry], done: Sequence[_Collected]) -> dict[str, bytes]:
        """The contents of all trackers after this scrape."""
        listed: dict[str, list[Mapping[str, str]]] = {}
        documents = dict(self._documents)
        for task, one in zip(tasks, done, strict=True):
            if isinstance(task, Part):
                tracker = task.source.tracker
                listed.setdefault(tracker, []).append(task.entry.listed())
                if one.position is not None:
                    self._positions[tracker][_key(tracker, task.entry)] = one.position
            for name, content in one.documents.items():
                documents[name] = trackers.merged(documents[name], content)
        encoded = {
            name: trackers.encode(name, content, listed.get(name, ()), documents.pop(name, None))
            for name, content in self._positions.items()
        }
        # a line of text is of agents before this one: it is read, and stays as it is
        written = {name: content for name, content in documents.items() if trackers.TEXT not in content and content}
        return encoded | {name: trackers.encode_document(content) for name, content in written.items()}

    def _collect(self, part: Part, folder: Path, pseudonymiser: Pseudonymiser) -> _Collected:
        source, name, start = part.source, part.entry.name, time.monotonic()
        known, documents = self._positions.get(source.tracker, {}), self._documents
        since = None if self._options.full else trackers.position(known, _key(source.tracker, part.entry))
        with storage_errors(folder):
            folder.mkdir()
        with Writer(folder, source.tables, whole_numbers=self._whole_numbers) as writer:
            try:
                with around(self._settings, self._project, name):
                    context = source_context(
                        *(self._settings, self._project, part, self._options, self._progress, self._capacity),
                        documents={} if self._options.full else documents,
                    )
                    collected = drain(
                        source.collect(context, since), lambda rows: writer.write(pseudonymiser.rows(rows))
                    )
                    writer.close()
                if self._settings.environment.cleanup_repos:
                    shutil.rmtree(context.folder, ignore_errors=True)
            except SourceError as error:
                log.error(  # noqa: TRY400 (whoever asked is told in words)
                    "project %s: source %s failed: %s", *(self._project, name, error), extra=IN_RESULTS
                )
                shutil.rmtree(folder)
                return _Collected(failed(part, error, time.monotonic() - start))
        for note in collected.notes:
            log.info("project %s: source %s: %s", self._project, name, note)
        for missing in collected.missing:
            log.error("project %s: source %s: not collected: %s", self._project, name, missing, extra=IN_RESULTS)
        counts = {table: file.count for table, file in writer.tables.items()}
        outcome = collected_outcome(part, collected, counts, time.monotonic() - start)
        words = "project %s: source %s: %d new items, %d rows in %.1f s"
        log.info(words, self._project, name, outcome.items, sum(counts.values()), outcome.seconds)
        return _Collected(outcome, writer, collected.position, collected.documents, collected.published)

    def _tell_published(self, one: _Collected) -> None:
        """Tell a source that its rows are published, which nothing that fails afterwards undoes."""
        try:
            one.published()
        except Exception as error:  # noqa: BLE001 (whatever a source does then)
            words = "project %s: source %s: what it keeps for itself is not up to date: %s"
            log.warning(words, self._project, one.outcome.source, error)

    def _host(self, part: Part | SourceEntry) -> str | None:
        """The host that a part burdens, or None."""
        entry = part.entry if isinstance(part, Part) else part
        try:
            return host_of(located(entry, source_host(self._settings, entry)).url)[0]
        except SourceError:  # which is told when it is collected
            return None

    def _progress(self, what: str, done: int, total: int | None) -> None:
        """Tell it one at a time: who is told need not know that there are several."""
        with self._lock:
            self._told(what, done, total)


def _without_repetitions(outcomes: Sequence[Outcome], done: Sequence[_Collected]) -> Iterator[Outcome]:
    """The outcomes of discovery, but for those of a system that failed in the same way when it was collected."""
    told = {(one.outcome.kind, one.outcome.error) for one in done}
    yield from (one for one in outcomes if not one.error or (one.kind, one.error) not in told)


def _key(tracker: str, entry: SourceEntry) -> str:
    return trackers.key(tracker, entry.name, entry.url)


def _kept(settings: Settings, project: str) -> Iterator[str]:
    """Say how many batches wait in the outbox beside the newest one, which is not acknowledged yet."""
    others = outbox.waiting(settings, project)
    if others:
        rows, word = sum(one.rows for one in others), "batch waits" if len(others) == 1 else "batches wait"
        yield f"{len(others)} earlier {word} in the outbox with {rows} rows: gros-agent outbox list"


def _unlisted(folder: ProjectFolder) -> Iterator[str]:
    """Name the sources that the list lacks which is delivered."""
    if names := entries.too_long(folder.path / entries.FILE):
        yield f"{entries.FILE} is sent without {', '.join(names)}: the importer has no room for such an address"


def _limits(tables: Sequence[Joined]) -> Iterator[str]:
    """Name what was changed or left out since the importer's database can't take it."""
    for table in tables:
        changed, repeated, name = table.changed, table.repeated, table.row.table
        for column, count in changed.shortened.items():
            yield f"{name}: {count} values of {column} were shortened to fit their column"
        for column, count in changed.narrowed.items():
            yield f"{name}: {count} values of {column} are beyond {LARGEST_INTEGER}: their lower 31 bits were written"
        for column, count in changed.capped.items():
            yield f"{name}: {count} values of {column} are beyond {LARGEST_INTEGER}, which was written"
        if repeated.same:
            yield f"{name}: {repeated.same} rows came several times and were written once"
        if repeated.others:
            rule = table.row.rule or ("the newest counts" if table.row.changed else "the first counts")
            yield f"{name}: {repeated.others} rows have the key of another one and were left out: {rule}"

"""The scrape of one project: for each source collect, pseudonymise, write; then publish the batch.

A source that fails is an outcome, and its rows are removed. The other sources continue.
"""

import logging
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path

from gros_agent.collect import new_positions, of_controller, positions
from gros_agent.collect.engine import Engine, Gathered, LeftOff, tasks_of
from gros_agent.collect.positions import read_documents, read_trackers
from gros_agent.collect.project_secrets import PLAIN_NOTE, pseudonymiser_of
from gros_agent.collect.table_sink import TableSinks
from gros_agent.collect.teams import Teams, ThisMachine
from gros_agent.controller import capabilities
from gros_agent.deliver import outbox
from gros_agent.errors import AgentError, ExitStatus, Own
from gros_agent.project import entries
from gros_agent.project.configured import check_key
from gros_agent.project.context import tables_of
from gros_agent.project.description import TRACKERS, Described, describe, encoded, updates
from gros_agent.project.discovery import Discovered, discover, note_options
from gros_agent.project.report import Outcome, Report, completeness
from gros_agent.project.scrape_options import ScrapeOptions
from gros_agent.rows import LARGEST_INTEGER, Project, Row, SourceId, VcsVersion
from gros_agent.runtime import own
from gros_agent.runtime.logs import IN_RESULTS, SCRAPE_LOG, ProjectLog
from gros_agent.runtime.storage import make_private, storage_errors
from gros_agent.settings.model import ProjectSettings
from gros_agent.sources.base import Part, Progress, no_progress
from gros_agent.tables import trackers
from gros_agent.tables.batch import ENVIRONMENTS, Manifest, ProjectFolder
from gros_agent.tables.writer import Joined, Writer, WrittenTables, join

log = logging.getLogger(__name__)


def scrape(
    project: ProjectSettings,
    options: ScrapeOptions,
    tell: Callable[[Report], None],
    progress: Progress = no_progress,
    teams: Teams | None = None,
    at_controller: Callable[[], AbstractContextManager[object]] = nullcontext,
) -> ExitStatus:
    """Scrape one project, and pass on the report before the batch is acknowledged.

    ``teams`` makes the team that collects the parts; threads do it by default. ``at_controller`` is a
    context in which nothing else asks the controller. Raises :class:`AgentError`.
    """
    check_key(project, options)
    for private in (project.home.state, project.home.state / "repos"):
        make_private(private)
    folder = ProjectFolder(project.folder)
    with folder.locked():
        unreported = folder.recover()
        outbox.tidy(project)
        if unreported is not None:
            report = _recovered(project.key, folder, unreported)
        else:
            _make_room(project, folder, options)
            with _logged(folder, options) as ended:
                report = _Scrape(project, options, folder, progress, teams or ThisMachine(), at_controller).run()
                ended(report.status)
        tell(report)
        folder.acknowledge()
    return report.status


def _logged(folder: ProjectFolder, options: ScrapeOptions) -> AbstractContextManager[Callable[[ExitStatus], None]]:
    return nullcontext(lambda _: None) if options.is_logged else project_log(folder.path, in_results=True)


@contextmanager
def project_log(folder: Path, *, in_results: bool = False) -> Iterator[Callable[[ExitStatus], None]]:
    """Keep the log of a scrape next to its tables. Yields a function to report how the scrape ended without an error.

    ``in_results`` says whether the caller also shows an error as a result.
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


def _make_room(project: ProjectSettings, folder: ProjectFolder, options: ScrapeOptions) -> None:
    """Handle a batch that waits: discard it if the user asked for that, or copy it to the outbox.

    Raises :class:`DeliveryError` if so much waits that collecting has to stop.
    """
    batch = folder.batch()
    if options.discard and batch is not None and not batch.delivered:
        outbox.check_at_home(project, batch.identifier)
        outbox.discard(project, folder)
        made = Own(f"{batch.made:%Y-%m-%d %H:%M:%S}")
        log.warning("project %s: discarded the batch of %s with %d rows", project.key, made, batch.rows)
    outbox.set_aside(project)
    outbox.check_room(project)


class _Scrape:
    """One scrape of a project's sources, into a staging folder."""

    def __init__(
        self,
        project: ProjectSettings,
        options: ScrapeOptions,
        folder: ProjectFolder,
        progress: Progress,
        teams: Teams,
        at_controller: Callable[[], AbstractContextManager[object]],
    ) -> None:
        self._reports = project.controller is not None and not options.no_ssh
        self._teams = teams
        self._at_controller = at_controller
        self._project = project
        self._options = options
        self._folder = folder
        self._progress = progress
        self._whole_numbers = False

    def run(self) -> Report:
        discovered = discover(self._project, self._options, self._progress)
        tasks = tasks_of(self._project.settings, discovered.entries)
        parts = [task for task in tasks if isinstance(task, Part)]
        if self._reports:
            with self._at_controller():
                of_controller.take_trackers(self._project, parts, TRACKERS if discovered.definitions else ())
        pseudonymiser = pseudonymiser_of(self._project, self._options)
        self._whole_numbers = capabilities.WHOLE_NUMBERS in capabilities.capabilities(self._project)
        known = LeftOff(
            positions.in_utc(self._project, read_trackers(self._folder.path, parts)),
            read_documents(self._folder.path, parts),
        )
        with self._folder.staging() as staging:
            sinks = TableSinks(pseudonymiser, self._whole_numbers)
            team = self._teams.team(self._project, sinks, staging)
            engine = Engine(self._project, self._options, self._progress, known, team)
            done = engine.run(tasks)
            outcomes = (*_without_repetitions(discovered.outcomes, done), *(one.outcome for one in done))
            if all(one.sink is None for one in done):
                nothing = ("nothing was collected, so nothing was changed",)
                return Report(project=self._project.key, outcomes=outcomes, notes=nothing)
            collected = {one.task: one.collected for one in done if isinstance(one.task, Part)}
            said = describe(self._project, discovered, collected, engine.context)
            described, about, counts = self._described(said, staging, sinks)
            written = [*(one.sink for one in done if one.sink), described]
            tables = join(staging, dict.fromkeys((VcsVersion, *tables_of(parts), *about)), written)
            for folder in staging.glob("part-*"):
                shutil.rmtree(folder)
            rows = {table.path.name: table.count for table in tables} | counts
            note_options(self._project, discovered)
            moved = new_positions.moved(known, done)
            updates = new_positions.encoded(moved, done) | self._updates(discovered)
            positions.note(self._project, moved.positions)
            notes, lying = self._publish(staging, rows, updates, outcomes)
            for one in done:
                self._tell_published(one)
        plain = () if pseudonymiser.encrypts else (PLAIN_NOTE,)
        unimported = of_controller.not_imported(self._project, parts)
        notes = (*plain, *notes, *_unlisted(self._folder), *_limits(tables), *unimported)
        return Report(project=self._project.key, outcomes=outcomes, tables=lying, folder=self._folder.path, notes=notes)

    def _publish(
        self, staging: Path, rows: Mapping[str, int], updates: Mapping[str, bytes], outcomes: Iterable[Outcome]
    ) -> tuple[Iterable[str], Mapping[str, int]]:
        """Publish the batch. Returns notes about batches that wait, and the rows in the folder now."""
        if outbox.has_news(self._project, rows, staging):
            self._folder.publish(staging, rows, updates, completeness(outcomes))
            return tuple(_kept(self._project)), rows
        stays = self._folder.publish_positions(staging, rows, updates)
        outbox.take_back(self._project, stays.identifier)
        made, count = f"{stays.made:%Y-%m-%d %H:%M:%S}", sum(stays.tables.values())
        words = f"nothing is new: the batch of {made} with {count} rows stays; --full collects all again"
        return (words,), stays.tables

    def _described(
        self, said: Described, staging: Path, sinks: TableSinks
    ) -> tuple[Writer, Sequence[type[Row]], dict[str, int]]:
        """Write the project's description: tables, and the file of environments, with its number of rows."""
        rows: Sequence[type[Row]] = (Project,) if said.identifiers is None else (Project, SourceId)
        if said.environments:
            with storage_errors(staging):
                (staging / ENVIRONMENTS).write_bytes(encoded(said.environments))
        sink = sinks.make(staging / "part-project", rows)
        with sink.writer as writer:
            sink.take([said.project])
            sink.take(said.identifiers or ())
            sink.close()
        return writer, rows, {ENVIRONMENTS: len(said.environments)} if said.environments else {}

    def _updates(self, discovered: Discovered) -> dict[str, bytes]:
        new = updates(discovered)
        return {
            name: trackers.encode_document(trackers.merged(trackers.read_document(self._folder.path / name), new))
            for name in (TRACKERS if new else ())
        }

    def _tell_published(self, one: Gathered[WrittenTables]) -> None:
        """Tell a source that its rows are published. Later failures do not undo this."""
        try:
            if one.collected is not None and one.collected.published is not None:
                one.collected.published()
        except Exception as error:  # noqa: BLE001 (whatever a source does then)
            words = "project %s: source %s: its own notes could not be updated: %s"
            log.warning(words, self._project.key, one.outcome.source, error)


def _without_repetitions(outcomes: Sequence[Outcome], done: Sequence[Gathered[WrittenTables]]) -> Iterator[Outcome]:
    """The outcomes of discovery, without those of systems that failed in the same way when they were collected."""
    told = {(one.outcome.kind, one.outcome.error) for one in done}
    yield from (one for one in outcomes if not one.error or (one.kind, one.error) not in told)


def _kept(project: ProjectSettings) -> Iterator[str]:
    """Say how many batches wait in the outbox besides the newest one, which is not acknowledged yet."""
    others = outbox.waiting(project)
    if others:
        rows, word = sum(one.rows for one in others), "batch waits" if len(others) == 1 else "batches wait"
        yield f"{len(others)} earlier {word} in the outbox with {rows} rows: gros-agent outbox list"


def _unlisted(folder: ProjectFolder) -> Iterator[str]:
    """Name the sources that are missing in the delivered list."""
    if names := entries.too_long(folder.path / entries.FILE):
        yield f"{entries.FILE} is sent without {', '.join(names)}: the address is too long for the importer"


def _limits(tables: Sequence[Joined]) -> Iterator[str]:
    """Name values that were changed or rows that were left out to suit the importer's database."""
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

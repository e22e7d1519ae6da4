"""One project's scrape: for each source collect, pseudonymise, write; then publish the batch.

A source that fails is an outcome, and its rows are taken back; the others go on.
"""

import logging
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path

from gros_agent.collection import (
    ScrapeOptions,
    check_key,
    collectable,
    drain,
    list_sources,
    read_trackers,
    source_context,
    source_tables,
    tracker_names,
)
from gros_agent.errors import AgentError, ConfigurationError, DeliveryError, ExitStatus, SourceError
from gros_agent.logs import SCRAPE_LOG, ProjectLog
from gros_agent.privacy import Pseudonymiser
from gros_agent.report import Outcome, Report, collected_outcome, failed, unavailable
from gros_agent.settings import secrets
from gros_agent.settings.model import Settings
from gros_agent.sources.base import Progress, SourceEntry, no_progress
from gros_agent.storage import replace_file, storage_errors
from gros_agent.tables import trackers
from gros_agent.tables.batch import Manifest, ProjectFolder
from gros_agent.tables.writer import Writer

log = logging.getLogger(__name__)


def load_pseudonymiser(settings: Settings, project: str, options: ScrapeOptions) -> Pseudonymiser:
    """The pseudonymiser with a project's secrets. Raises :class:`ConfigurationError` where there are none."""
    path = secrets.find(settings.home.root, project)
    if path is None and options.make_secrets:
        path = _make_secrets(settings, project)
    if path is not None:
        if not secrets.is_private(path):
            log.warning("%s can be read by others: chmod 600 %s", path, path)
        return Pseudonymiser(secrets.read(path))
    if options.no_secrets or settings.no_secrets:
        log.warning("PROJECT %s HAS NO SECRETS: names and addresses are written as they are", project)
        return Pseudonymiser(None, plain=True)
    wanted = secrets.candidates(settings.home.root, project)[0]
    raise ConfigurationError(
        f"project {project} has no secrets, so nothing is written: there is no {wanted}",
        "register the project with its controller; without one, --make-secrets makes them here",
    )


def _make_secrets(settings: Settings, project: str) -> Path:
    if settings.controller(project):
        raise ConfigurationError(
            f"project {project} reports to a controller, which hands out its secrets",
            "register the project instead of making secrets",
        )
    path = secrets.candidates(settings.home.root, project)[0]
    secrets.write(path, secrets.make())
    log.info("made secrets for project %s in %s: keep them, or its pseudonyms change", project, path)
    return path


def scrape(
    settings: Settings,
    project: str,
    options: ScrapeOptions,
    tell: Callable[[Report], None],
    progress: Progress = no_progress,
) -> ExitStatus:
    """Scrape one project and tell the report, before the batch counts as known. Raises :class:`AgentError`."""
    check_key(settings, project, options)
    reports = settings.controller(project) is not None and not options.no_ssh
    if reports:
        from gros_agent import delivery  # noqa: PLC0415 (slow to import, and many have no controller)

        delivery.finish_open(settings, (project,), lambda one: delivery.export(settings, one, progress=progress))
    folder = ProjectFolder(settings.home.export / project)
    with folder.locked():
        unreported = folder.recover()
        if unreported is not None:
            report = _recovered(project, folder, unreported)
        else:
            replaced = _make_room(settings, project, folder, options)
            with _logged(folder, options) as ended:
                if reports:
                    _take_trackers(settings, project, folder, options)
                report = _Scrape(settings, project, options, folder, progress).run(replaced)
                ended(report.status)
        tell(report)
        folder.acknowledge()
    return report.status


def _logged(folder: ProjectFolder, options: ScrapeOptions) -> AbstractContextManager[Callable[[ExitStatus], None]]:
    return nullcontext(lambda _: None) if options.is_logged else project_log(folder.path)


@contextmanager
def project_log(folder: Path) -> Iterator[Callable[[ExitStatus], None]]:
    """Keep the log of a scrape beside its tables; to be told how the scrape ended, if no error says it."""
    with storage_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        file = ProjectLog(folder / SCRAPE_LOG)
    status = ExitStatus.UNEXPECTED

    def ended(how: ExitStatus) -> None:
        nonlocal status
        status = how

    try:
        yield ended
    except AgentError as error:
        log.error("%s", error)  # noqa: TRY400 (whoever asked is told in words)
        status = error.status
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


def _make_room(settings: Settings, project: str, folder: ProjectFolder, options: ScrapeOptions) -> Manifest | None:
    """See to the batch that lies here: discard it, refuse to go on, or return it to be replaced."""
    batch = folder.batch()
    if batch is None or batch.delivered or not batch.rows:
        return None
    if options.discard:
        folder.discard()
        log.warning("project %s: threw away the batch of %s with %d rows", project, batch.made, batch.rows)
        return None
    if settings.controller(project):
        raise DeliveryError(
            f"project {project} has a batch of {batch.made:%Y-%m-%d %H:%M:%S} with {batch.rows} rows "
            "that was not delivered: nothing was collected",
            "export it, or throw it away and collect again: scrape --discard",
        )
    return batch


def _take_trackers(settings: Settings, project: str, folder: ProjectFolder, options: ScrapeOptions) -> None:
    """Put the controller's trackers in place of the local ones; one that it does not have means from the start."""
    from gros_agent import delivery  # noqa: PLC0415 (slow to import, and many have no controller)

    names = tracker_names(list_sources(settings, project, options))
    for name, content in delivery.fetch_trackers(settings, project, names).items():
        with storage_errors(folder.path):
            if content is None:
                (folder.path / name).unlink(missing_ok=True)
            else:
                replace_file(folder.path / name, content)


class _Scrape:
    """One run over the sources of a project, into a staging folder."""

    def __init__(
        self,
        settings: Settings,
        project: str,
        options: ScrapeOptions,
        folder: ProjectFolder,
        progress: Progress,
    ) -> None:
        self._settings = settings
        self._project = project
        self._options = options
        self._folder = folder
        self._progress = progress

    def run(self, replaced: Manifest | None) -> Report:
        found = list_sources(self._settings, self._project, self._options)
        pseudonymiser = load_pseudonymiser(self._settings, self._project, self._options)
        positions = read_trackers(self._folder.path, found)
        with self._folder.staging() as staging, Writer(staging, source_tables(found)) as writer:
            outcomes = tuple(self._source(entry, writer, pseudonymiser, positions) for entry in found)
            if all(outcome.status for outcome in outcomes):
                nothing = ("nothing was collected, so nothing was changed",)
                return Report(project=self._project, outcomes=outcomes, notes=nothing)
            writer.close()
            rows = {table.path.name: table.count for table in writer.tables.values()}
            contents = {name: trackers.encode(content) for name, content in positions.items()}
            self._folder.publish(staging, rows, contents)
        notes = (*_replaced(replaced), *_limits(writer))
        return Report(project=self._project, outcomes=outcomes, tables=rows, folder=self._folder.path, notes=notes)

    def _source(
        self,
        entry: SourceEntry,
        writer: Writer,
        pseudonymiser: Pseudonymiser,
        positions: dict[str, dict[str, str]],
    ) -> Outcome:
        source = collectable(entry)
        if source is None:
            return unavailable(entry)
        start, before = time.monotonic(), writer.position()
        known = positions[source.tracker]
        since = None if self._options.full else known.get(entry.name)
        try:
            context = source_context(self._settings, self._project, entry, self._options, self._progress)
            collected = drain(source.collect(context, since), lambda rows: writer.write(pseudonymiser.rows(rows)))
            if self._settings.environment.cleanup_repos:
                shutil.rmtree(context.folder, ignore_errors=True)
        except SourceError as error:
            writer.rewind(before)
            log.error("project %s: source %s failed: %s", self._project, entry.name, error)  # noqa: TRY400
            return failed(entry, error, time.monotonic() - start)
        if collected.position is not None:
            known[entry.name] = collected.position
        for note in collected.notes:
            log.info("project %s: source %s: %s", self._project, entry.name, note)
        tables = {name: table.count - before[name].rows for name, table in writer.tables.items()}
        seconds = time.monotonic() - start
        words = "project %s: source %s: %d new items, %d rows in %.1f s"
        outcome = collected_outcome(entry, source, collected, tables, seconds)
        log.info(words, self._project, entry.name, outcome.items, sum(tables.values()), seconds)
        return outcome


def _replaced(batch: Manifest | None) -> tuple[str, ...]:
    if batch is None:
        return ()
    made = f"{batch.made:%Y-%m-%d %H:%M:%S}"
    return (f"replaced the batch of {made} with {batch.rows} rows; --full collects everything again",)


def _limits(writer: Writer) -> Iterator[str]:
    """Name what the columns of the importer's database can't hold."""
    for table in writer.tables.values():
        for name, count in table.shortened.items():
            yield f"{table.row.table}: {count} values of {name} were shortened to fit their column"
        for name, count in table.beyond.items():
            if count:
                yield f"{table.row.table}: {count} values of {name} are larger than the existing importer can read"

"""Shows what a scrape would send, without writing anything, for the people who have to approve it."""

import json
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from msgspec import UNSET

from gros_agent.collect import positions
from gros_agent.collect.engine import Engine, Job, LeftOff, tasks_of, threads
from gros_agent.collect.positions import read_documents, read_trackers
from gros_agent.collect.project_secrets import example_of
from gros_agent.controller import capabilities
from gros_agent.errors import ConfigurationError
from gros_agent.privacy.pseudonyms import Pseudonymiser
from gros_agent.project.configured import check_key
from gros_agent.project.context import pinned_hosts, tables_of
from gros_agent.project.description import describe
from gros_agent.project.discovery import discover
from gros_agent.project.report import Outcome
from gros_agent.project.scrape_options import ScrapeOptions
from gros_agent.rows import NOBODY, Project, Row, SourceId
from gros_agent.rows.fitting import Values
from gros_agent.settings.model import ProjectSettings
from gros_agent.sources.base import Part, Progress, no_progress

AS_IS = "as it is"
FREE_TEXT = "as it is; free text, people can be named in it"
REDACTED = "mentions, addresses and trailers as pseudonyms; other names as they are"
PSEUDONYM = "pseudonym"
PLAIN = "AS IT IS, A PERSON'S"
NOT_AT_ALL = "not at all"


@dataclass
class FieldPreview:
    """The form in which a field would leave, with an example before and after."""

    name: str
    treatment: str
    before: str | None = None
    after: str | None = None


@dataclass
class TablePreview:
    """The rows of one table, and its fields."""

    table: str
    rows: int = 0
    fields: dict[str, FieldPreview] = field(default_factory=dict)

    def add(self, other: "TablePreview") -> None:
        """Add the rows of another source, and its examples for fields without one."""
        for name, content in other.fields.items() if other.rows else ():
            if self.fields[name].before in {None, NOBODY} and (content.before is not None or not self.rows):
                self.fields[name] = content
        self.rows += other.rows


@dataclass(frozen=True)
class Preview:
    """What would leave for one project, and its destination (None: no controller is configured, and it stays here)."""

    project: str
    destination: str | None
    tables: tuple[TablePreview, ...]
    outcomes: tuple[Outcome, ...]
    notes: tuple[str, ...]


def preview(project: ProjectSettings, options: ScrapeOptions, progress: Progress = no_progress) -> Preview:
    """Collect what a scrape would collect, and keep one example for each field. Raises :class:`AgentError`."""
    check_key(project, options)
    discovered = discover(project, options, progress, keep=False)
    pseudonymiser, notes = example_of(project, options)
    tasks = tasks_of(project.settings, discovered.entries)
    parts = [task for task in tasks if isinstance(task, Part)]
    folder = project.folder
    known = LeftOff(
        positions.in_utc(project, read_trackers(folder, parts)),
        read_documents(folder, parts),
    )
    whole_numbers = capabilities.WHOLE_NUMBERS in capabilities.capabilities(project)
    about: Sequence[type[Row]] = (Project, SourceId) if discovered.definitions else (Project,)
    total = _Examples((*tables_of(parts), *about), pseudonymiser, whole_numbers=whole_numbers)

    def sink(job: Job) -> _Examples:
        return _Examples(job.part.source.tables, pseudonymiser, whole_numbers=whole_numbers)

    with tempfile.TemporaryDirectory(prefix="gros-agent-") as temporary:
        known_hosts = Path(temporary) / "known_hosts"
        if pinned_hosts(project.settings).exists():
            known_hosts.write_bytes(pinned_hosts(project.settings).read_bytes())
        options = replace(options, clones=options.clones or Path(temporary), known_hosts=known_hosts)
        engine = Engine(project, options, progress, known, threads(sink))
        done = engine.run(tasks)
        for one in done:
            if one.sink is not None:
                total.add(one.sink)
        brings_rows = any(table.rows for table in total.tables.values())
        collected = {one.task: one.collected for one in done if isinstance(one.task, Part)}
        said = describe(project, discovered, collected, engine.context)
        for rows in ([said.project], said.identifiers or ()):
            total.take(rows)
    if any(known.positions.values()) and not brings_rows:
        reason = "nothing is new since the last scrape, so there is nothing to show as an example"
        notes = (*notes, f"{reason}: the same command with --full shows examples of everything")
    outcomes = (*discovered.outcomes, *(one.outcome for one in done))
    return Preview(project.key, project.controller, tuple(total.tables.values()), outcomes, notes)


def _treatment(row: type[Row], name: str, pseudonymiser: Pseudonymiser) -> str:
    if name in row.personal:
        return PSEUDONYM if pseudonymiser.encrypts else PLAIN
    if name in row.free_text:
        return REDACTED if pseudonymiser.redacts else FREE_TEXT
    return AS_IS


def _table(row: type[Row], pseudonymiser: Pseudonymiser) -> TablePreview:
    names = sorted(row.__struct_fields__, key=lambda name: name == "encrypted")
    return TablePreview(
        row.table, 0, {name: FieldPreview(name, _treatment(row, name, pseudonymiser)) for name in names}
    )


class _Examples:
    """A sink that counts rows, and keeps one example for each field."""

    def __init__(self, tables: Iterable[type[Row]], pseudonymiser: Pseudonymiser, *, whole_numbers: bool) -> None:
        self._pseudonymiser = pseudonymiser
        self._whole_numbers = whole_numbers
        self.tables = {row.table: _table(row, pseudonymiser) for row in tables}

    def take(self, rows: Sequence[Row]) -> None:
        if rows:
            values = Values(type(rows[0]), whole_numbers=self._whole_numbers)
            _look_at(self.tables[type(rows[0]).table], rows, self._pseudonymiser, values)

    def close(self) -> Mapping[str, int]:
        return {name: table.rows for name, table in self.tables.items()}

    def undo(self) -> None:
        self.tables.clear()

    def add(self, other: "_Examples") -> None:
        """Add the rows of another sink, and its examples for fields without one."""
        for name, table in other.tables.items():
            self.tables[name].add(table)


def _look_at(table: TablePreview, rows: Sequence[Row], pseudonymiser: Pseudonymiser, values: Values) -> None:
    """Count rows, and keep the first meaningful value of each field that has no example yet.

    A field leaves in no form only if it is missing in every row.
    """
    table.rows += len(rows)
    wanting = [content for content in table.fields.values() if content.before in {None, NOBODY}]
    if not wanting:
        return
    written, _ = values.encoded(pseudonymiser.rows(rows).rows)
    for before, after in zip(rows, written, strict=True):
        for content in wanting:
            value = getattr(before, content.name)
            if value is UNSET:
                if content.before is None:
                    content.treatment = NOT_AT_ALL
            elif content.before is None or (content.before == NOBODY != value):
                content.before, content.after = _shown(value), _shown(getattr(after, content.name))
                content.treatment = _treatment(type(before), content.name, pseudonymiser)


def _shown(value: object) -> str:
    """A value as it is written to the file, but texts without quotes."""
    return value if isinstance(value, str) else json.dumps(value)


def check_possible(options: ScrapeOptions) -> None:
    """Raise :class:`ConfigurationError` for options that contradict a preview."""
    if options.discard or options.make_secrets:
        raise ConfigurationError(
            "--dry-run writes nothing, so it goes with neither --discard nor --make-secrets",
            "leave one of them out",
        )

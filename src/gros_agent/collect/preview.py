"""What a scrape would send, without writing anything: for the people who have to allow it."""

import json
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from msgspec import UNSET

from gros_agent.collect import positions
from gros_agent.collect.engine import drain
from gros_agent.collect.positions import read_documents, read_trackers
from gros_agent.collect.project_secrets import example_of
from gros_agent.controller import capabilities
from gros_agent.errors import ConfigurationError, SourceError
from gros_agent.privacy.pseudonyms import Pseudonymiser
from gros_agent.project.boundary import around
from gros_agent.project.configured import check_key
from gros_agent.project.context import all_parts, parts_of, pinned_hosts, source_context, tables_of
from gros_agent.project.description import describe
from gros_agent.project.discovery import Discovered, discover
from gros_agent.project.report import Outcome, collected_outcome, failed, unavailable
from gros_agent.project.scrape_options import ScrapeOptions
from gros_agent.rows import NOBODY, Project, Row, SourceId
from gros_agent.rows.fitting import Values
from gros_agent.settings.model import Settings
from gros_agent.sources.base import Context, Part, Progress, SourceEntry, no_progress
from gros_agent.tables import trackers

AS_IS = "as it is"
FREE_TEXT = "as it is; free text, people can be named in it"
REDACTED = "mentions, addresses and trailers as pseudonyms; other names as they are"
PSEUDONYM = "pseudonym"
PLAIN = "AS IT IS, A PERSON'S"
NOT_AT_ALL = "not at all"


@dataclass
class FieldPreview:
    """How one field leaves, with one value before and after."""

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


@dataclass(frozen=True)
class Preview:
    """What would leave for one project, and to where (None: no controller is configured, it stays here)."""

    project: str
    destination: str | None
    tables: tuple[TablePreview, ...]
    outcomes: tuple[Outcome, ...]
    notes: tuple[str, ...]


def preview(settings: Settings, project: str, options: ScrapeOptions, progress: Progress = no_progress) -> Preview:
    """Collect what a scrape would collect, and keep one example of each field. Raises :class:`AgentError`."""
    check_key(settings, project, options)
    discovered = discover(settings, project, options, progress, keep=False)
    found = discovered.entries
    pseudonymiser, notes = example_of(settings, project, options)
    parts = all_parts(settings, found)
    known = positions.in_utc(settings, project, read_trackers(settings.home.export / project, parts))
    about: Sequence[type[Row]] = (Project, SourceId) if discovered.definitions else (Project,)
    tables = {row.table: _table(row, pseudonymiser) for row in (*tables_of(parts), *about)}
    with tempfile.TemporaryDirectory(prefix="gros-agent-") as temporary:
        known_hosts = Path(temporary) / "known_hosts"
        if pinned_hosts(settings).exists():
            known_hosts.write_bytes(pinned_hosts(settings).read_bytes())
        options = replace(options, clones=options.clones or Path(temporary), known_hosts=known_hosts)

        documents = read_documents(settings.home.export / project, parts)
        whole_numbers = capabilities.WHOLE_NUMBERS in capabilities.capabilities(settings, project)
        look = _Look(settings, project, options, known, documents, tables, pseudonymiser, progress, whole_numbers)
        outcomes = (*discovered.outcomes, *(outcome for entry in found for outcome in look.entry(entry)))
        look.project_itself(discovered)
        notes = (*notes, *look.nothing_new())
    return Preview(
        project, settings.controller(project), tuple(tables.values()), outcomes, (*notes, *look.nothing_new())
    )


def _table(row: type[Row], pseudonymiser: Pseudonymiser) -> TablePreview:
    def treatment(name: str) -> str:
        if name in row.personal:
            return PSEUDONYM if pseudonymiser.encrypts else PLAIN
        if name in row.free_text:
            return REDACTED if pseudonymiser.redacts else FREE_TEXT
        return AS_IS

    names = sorted(row.__struct_fields__, key=lambda name: name == "encrypted")
    return TablePreview(row.table, 0, {name: FieldPreview(name, treatment(name)) for name in names})


@dataclass(frozen=True)
class _Look:
    """One look at the sources of a project."""

    settings: Settings
    project: str
    options: ScrapeOptions
    positions: dict[str, dict[str, str]]
    documents: dict[str, dict[str, Any]]
    tables: dict[str, TablePreview]
    pseudonymiser: Pseudonymiser
    progress: Progress
    whole_numbers: bool
    collected: dict[Part, bool] = field(default_factory=dict)

    def project_itself(self, discovered: Discovered) -> None:
        """Look at what describes the project."""
        said = describe(self.settings, self.project, discovered, self.collected, self._context)
        for rows in ([said.project], said.identifiers or ()):
            self._take(rows)

    def _context(self, part: Part) -> Context:
        documents = {} if self.options.full else self.documents
        return source_context(self.settings, self.project, part, self.options, self.progress, documents=documents)

    def _take(self, rows: Sequence[Row]) -> None:
        if rows:
            values = Values(type(rows[0]), whole_numbers=self.whole_numbers)
            _look_at(self.tables[type(rows[0]).table], rows, self.pseudonymiser, values)

    def nothing_new(self) -> Iterator[str]:
        """Say how to see examples where all was collected before."""
        about = {Project.table, SourceId.table}
        if any(self.positions.values()) and not any(one.rows for name, one in self.tables.items() if name not in about):
            reason = "nothing is new since the last scrape, so there is nothing to show as an example"
            yield f"{reason}: the same command with --full shows examples of everything"

    def entry(self, entry: SourceEntry) -> Iterator[Outcome]:
        parts = parts_of(self.settings, entry)
        yield from map(self._part, parts) if parts else (unavailable(entry),)

    def _part(self, part: Part) -> Outcome:
        entry, source = part.entry, part.source
        counts: dict[str, int] = {row.table: 0 for row in source.tables}

        def take(rows: Sequence[Row]) -> None:
            if rows:
                counts[type(rows[0]).table] += len(rows)
                self._take(rows)

        since = (
            None
            if self.options.full
            else trackers.position(
                self.positions.get(source.tracker, {}), trackers.key(source.tracker, entry.name, entry.url)
            )
        )
        start = time.monotonic()
        try:
            with around(self.settings, self.project, entry.name):
                collected = drain(source.collect(self._context(part), since), take)
        except SourceError as error:
            self.collected[part] = False
            return failed(part, error, time.monotonic() - start)
        self.collected[part] = True
        return collected_outcome(part, collected, counts, time.monotonic() - start)


def _look_at(table: TablePreview, rows: Sequence[Row], pseudonymiser: Pseudonymiser, values: Values) -> None:
    """Count rows, and keep the first telling value of each field that has none yet."""
    table.rows += len(rows)
    wanting = [content for content in table.fields.values() if content.before in {None, NOBODY}]
    if not wanting:
        return
    written, _ = values.encoded(pseudonymiser.rows(rows).rows)
    for before, after in zip(rows, written, strict=True):
        for content in wanting:
            value = getattr(before, content.name)
            if value is UNSET:
                content.treatment = NOT_AT_ALL
            elif content.before is None or (content.before == NOBODY != value):
                content.before, content.after = _shown(value), _shown(getattr(after, content.name))


def _shown(value: object) -> str:
    """A value as the file has it, texts without the quotes around them."""
    return value if isinstance(value, str) else json.dumps(value)


def check_possible(options: ScrapeOptions) -> None:
    """Raise :class:`ConfigurationError` for options that contradict a preview."""
    if options.discard or options.make_secrets:
        raise ConfigurationError(
            "--dry-run writes nothing, so it goes with neither --discard nor --make-secrets",
            "leave one of them out",
        )

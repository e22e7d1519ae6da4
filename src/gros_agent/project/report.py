"""Results of a scrape: an outcome for each source, a report for each project."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from gros_agent.errors import AgentError, ExitStatus, worst
from gros_agent.runtime.spelling import did_you_mean
from gros_agent.sources import known_types
from gros_agent.sources.base import Collected, Part, SourceEntry
from gros_agent.tables.batch import CollectedSource


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """The result for one source: its new items, the rows of each table, and notes for the user.

    ``missing`` names what could not be collected while the rest of the source was. ``worker`` is the name of the
    cluster's worker that collected it; empty if this machine did.
    """

    source: str
    kind: str
    items: int = 0
    expected: int | None = None
    tables: Mapping[str, int] = field(default_factory=dict)
    seconds: float = 0.0
    notes: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    error: str = ""
    hint: str = ""
    status: ExitStatus = ExitStatus.DONE
    worker: str = ""


@dataclass(frozen=True, kw_only=True)
class Report:
    """The result for a project. ``tables`` has the number of rows in its folder now, if a batch was published."""

    project: str
    outcomes: tuple[Outcome, ...] = ()
    tables: Mapping[str, int] = field(default_factory=dict)
    folder: Path | None = None
    notes: tuple[str, ...] = ()
    error: str = ""
    hint: str = ""
    own_status: ExitStatus = ExitStatus.DONE

    @property
    def status(self) -> ExitStatus:
        """The worst of the project's own status and those of its sources."""
        return worst((self.own_status, *(outcome.status for outcome in self.outcomes)))


def completeness(outcomes: Iterable[Outcome]) -> tuple[CollectedSource, ...]:
    """How completely the sources were collected, as a batch tells it: without the words of errors."""
    return tuple(
        CollectedSource(
            name=one.source,
            kind=one.kind,
            items=one.items,
            expected=one.expected,
            state="failed" if one.error else "partly" if one.missing else "whole",
        )
        for one in outcomes
    )


def collected_outcome(part: Part, collected: Collected, tables: Mapping[str, int], seconds: float) -> Outcome:
    """The outcome of a source that was collected. ``tables`` has its number of rows in each table."""
    source = part.source
    return Outcome(
        source=part.entry.name,
        kind=source.kind,
        items=tables[source.items.table],
        expected=collected.expected,
        tables={row.table: tables[row.table] for row in source.tables},
        seconds=seconds,
        notes=collected.notes,
        missing=collected.missing,
        status=ExitStatus.PARTLY if collected.missing else ExitStatus.DONE,
    )


def unavailable(entry: SourceEntry) -> Outcome:
    """The outcome of an entry whose type no source collects."""
    question = "" if entry.type in known_types() else did_you_mean(entry.type, known_types())
    return Outcome(
        source=entry.name,
        kind=entry.type,
        error=f"this version collects no sources of type {entry.type}{question}",
        hint="its data is missing from the tables",
        status=ExitStatus.PARTLY,
    )


def failed(part: Part, error: AgentError, seconds: float = 0.0) -> Outcome:
    """The outcome of a source that could not be collected."""
    return Outcome(
        source=part.entry.name,
        kind=part.source.kind,
        seconds=seconds,
        error=error.message,
        hint=error.hint,
        status=ExitStatus.PARTLY,
    )

"""What the controller's page shows: projects with their agents and sources, the last batches, and what is missing."""

import contextlib
import json
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

from gros_agent.reference.intake import RECEIPT
from gros_agent.reference.serve_options import ServeOptions
from gros_agent.reference.store import State

MOST = 20
"""How many batches are shown."""
_USUAL = 10
"""How many of the last batches of a project say how often one comes."""
_LEAST_LATE = timedelta(days=1)
_AGENTS = (
    "SELECT registration.project, agent.user, agent.registered, (SELECT announcement.agent FROM announcement"
    " WHERE json_extract(announcement.agent, '$.user') = agent.user AND announcement.project = registration.project"
    " ORDER BY sequence DESC LIMIT 1)"
    " FROM registration JOIN agent ON agent.user = registration.user ORDER BY registration.project, agent.user"
)
_MOMENTS = (
    "SELECT project, moment FROM (SELECT project, moment, row_number() OVER (PARTITION BY project ORDER BY sequence"
    " DESC) AS number FROM announcement WHERE state IN ('taken', 'repeated'))"
    " WHERE number <= ? ORDER BY project, moment"
)
_SOURCES = (
    "SELECT project, name, kind, state, moment, whole FROM (SELECT project, json_extract(value, '$.name') AS name,"
    " json_extract(value, '$.kind') AS kind, json_extract(value, '$.state') AS state, moment,"
    " max(CASE WHEN json_extract(value, '$.state') = 'whole' THEN moment END)"
    " OVER (PARTITION BY project, json_extract(value, '$.name'), json_extract(value, '$.kind')) AS whole,"
    " row_number() OVER (PARTITION BY project, json_extract(value, '$.name'), json_extract(value, '$.kind')"
    " ORDER BY sequence DESC) AS number FROM announcement, json_each(sources)"
    " WHERE announcement.state IN ('taken', 'repeated'))"
    " WHERE number = 1 ORDER BY project, name, kind"
)
_BATCHES = (
    "SELECT sequence, project, batch, agent, moment, state, reason FROM announcement"
    " WHERE state <> 'withdrawn' ORDER BY sequence DESC LIMIT ?"
)


@dataclass(frozen=True)
class Agent:
    """An agent of a project. ``version`` is that of its last batch; it is empty if there was none."""

    user: str
    registered: datetime
    version: str
    hostname: str


@dataclass(frozen=True)
class SourceState:
    """What the last batch with a source says about it. ``whole`` is when it last came without anything missing."""

    name: str
    kind: str
    state: str
    last: datetime
    whole: datetime | None


@dataclass(frozen=True)
class ProjectState:
    """A project. ``expected`` is when its next batch should have come, if that is past."""

    key: str
    agents: tuple[Agent, ...]
    sources: tuple[SourceState, ...]
    last: datetime | None
    expected: datetime | None
    refusal: str | None

    @property
    def missing(self) -> tuple[SourceState, ...]:
        """The sources of which something is missing."""
        return tuple(one for one in self.sources if one.state != "whole")


@dataclass(frozen=True)
class Batch:
    """An announced batch. ``rows`` and ``bytes`` are those of its tables in the inbox, if they lie there."""

    project: str
    identifier: str
    user: str
    moment: datetime
    state: str
    reason: str
    rows: int | None
    bytes: int | None


@dataclass(frozen=True)
class Overview:
    """The content of the page."""

    projects: tuple[ProjectState, ...]
    batches: tuple[Batch, ...]
    moment: datetime


def overview(state: State, options: ServeOptions, moment: datetime | None = None) -> Overview:
    """Read it from the controller's folder."""
    moment = moment or datetime.now(UTC)
    agents: dict[str, list[Agent]] = {}
    for project, user, registered, announced in state.rows(_AGENTS):
        about: Mapping[str, Any] = json.loads(announced) if announced else {}
        told = (str(about.get("version") or ""), str(about.get("hostname") or ""))
        agents.setdefault(project, []).append(Agent(user, datetime.fromisoformat(registered), *told))
    sources: dict[str, list[SourceState]] = {}
    for project, name, kind, came, last, whole in state.rows(_SOURCES):
        since = datetime.fromisoformat(whole) if whole else None
        sources.setdefault(project, []).append(SourceState(name, kind, came, datetime.fromisoformat(last), since))
    moments: dict[str, list[datetime]] = {}
    for project, text in state.rows(_MOMENTS, _USUAL):
        moments.setdefault(project, []).append(datetime.fromisoformat(text))
    projects = tuple(
        ProjectState(
            key=key,
            agents=tuple(agents.get(key, ())),
            sources=tuple(sources.get(key, ())),
            last=moments[key][-1] if key in moments else None,
            expected=_expected(moments.get(key, ()), options, moment),
            refusal=state.refusal(key),
        )
        for key in sorted({*agents, *moments, *options.projects})
    )
    return Overview(projects, tuple(_batch(state, row) for row in state.rows(_BATCHES, MOST)), moment)


def _expected(moments: Sequence[datetime], options: ServeOptions, now: datetime) -> datetime | None:
    """When the next batch should have come: by the schedule, or after twice the usual time; None if that is to come."""
    if not moments:
        return None
    if options.days is not None:
        interval = timedelta(days=options.days) + _LEAST_LATE
    elif len(moments) > 2:  # noqa: PLR2004 (two intervals)
        usual = statistics.median((after - before).total_seconds() for before, after in pairwise(moments))
        interval = max(timedelta(seconds=2 * usual), _LEAST_LATE)
    else:
        return None
    due = moments[-1] + interval
    return due if due < now else None


def _batch(state: State, row: Sequence[Any]) -> Batch:
    sequence, project, batch, agent, moment, came, reason = row
    user = str(json.loads(agent).get("user", ""))
    tables: list[Mapping[str, Any]] = []
    path = state.folder / "inbox" / project / f"{sequence:06d}-{batch}" / RECEIPT
    with contextlib.suppress(OSError, ValueError):  # not taken, or removed by the operator
        tables = [one for one in json.loads(path.read_bytes())["files"] if one["kind"] == "export"]
    return Batch(
        project,
        batch,
        user,
        datetime.fromisoformat(moment),
        came,
        reason,
        rows=sum(one["rows"] or 0 for one in tables) if tables else None,
        bytes=sum(one["bytes"] for one in tables) if tables else None,
    )

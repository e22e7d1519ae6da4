"""The description of a part, which goes to other machines: it has all that collecting takes, and shows no secret."""

import pickle
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

import pytest

from gros_agent.collect.part import PartDescription, collect_part
from gros_agent.errors import SourceError
from gros_agent.options.values import Secret
from gros_agent.privacy.pseudonyms import Pseudonymiser
from gros_agent.privacy.secrets import Salts, Secrets
from gros_agent.project.boundary import Bounds
from gros_agent.rows import Row
from gros_agent.sources import sources
from gros_agent.sources.base import Collected, Context, no_progress
from gros_agent.sources.common.capacity import Capacity
from support.sources import under_test

T = TypeVar("T")


class Kept:
    """A sink that keeps all rows."""

    def __init__(self) -> None:
        self.rows: list[Row] = []

    def take(self, rows: Sequence[Row]) -> None:
        self.rows.extend(rows)

    def close(self) -> Mapping[str, int]:
        return {"all": len(self.rows)}

    def undo(self) -> None:
        self.rows.clear()


def description(kind: str, context: Context) -> PartDescription:
    bounds = Bounds("TEST", context.folder.parent, 60.0, None)
    return PartDescription(source=sources()[kind], context=context, since=None, bounds=bounds)


def sent(one: T) -> T:
    received: T = pickle.loads(pickle.dumps(one))  # noqa: S301 (what was pickled here)
    return received


@pytest.mark.parametrize("kind", sorted(sources()))
def test_what_is_sent_collects_the_same(kind: str, tmp_path: Path) -> None:
    with ExitStack() as stack:
        sample = under_test()[kind].sample(tmp_path, stack)
        here = description(kind, sample.context)
        there = sent(here)
        there = replace(there, context=replace(there.context, folder=tmp_path / "elsewhere"))
        kept, also = Kept(), Kept()
        one = collect_part(here, kept, Capacity(), no_progress)
        other = collect_part(there, also, Capacity(), no_progress)
    assert isinstance(one.end, Collected)
    assert isinstance(other.end, Collected)
    assert sorted(map(repr, kept.rows)) == sorted(map(repr, also.rows)) != []  # tables come side by side
    assert one.counts == other.counts
    assert (one.end.position, one.end.notes) == (other.end.position, other.end.notes)


@pytest.mark.parametrize("kind", sorted(sources()))
def test_a_failure_is_the_result(kind: str, tmp_path: Path) -> None:
    with ExitStack() as stack:
        sample, kept = under_test()[kind].sample(tmp_path, stack), Kept()
        result = collect_part(sent(description(kind, sample.missing)), kept, Capacity(), no_progress)
    assert isinstance(result.end, SourceError)
    assert not kept.rows


def test_secrets_are_sent_and_not_shown(tmp_path: Path) -> None:
    with ExitStack() as stack:
        context = under_test()["git"].sample(tmp_path, stack).context
    context = replace(context, entry=replace(context.entry, password=Secret("canary")))
    received = sent(description("git", context))
    assert received.context.entry.password == Secret("canary")
    assert "canary" not in repr(received)


def test_a_pseudonymiser_is_sent_with_its_secrets() -> None:
    secrets = Secrets(Salts("canary", "pepper"))
    received = sent(Pseudonymiser(secrets, redact=True))
    assert received.field("developer", "somebody") == Pseudonymiser(secrets).field("developer", "somebody")
    assert received.redacts
    assert not sent(Pseudonymiser(None, plain=True)).encrypts
    assert "canary" not in repr(received)

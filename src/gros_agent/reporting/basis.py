"""The database that a report is based on: one that is there, or a temporary one with the batches of a folder."""

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from gros_agent.database import erased_inbox, loading
from gros_agent.database.collected_batches import collected_batches
from gros_agent.database.erased import Erased
from gros_agent.database.inbox import RECEIPT, batches
from gros_agent.database.loading import LoadableBatch, Loading
from gros_agent.database.target import Target
from gros_agent.deliver import outbox
from gros_agent.errors import ConfigurationError
from gros_agent.reporting.phrases import counted
from gros_agent.settings.model import Settings
from gros_agent.sources.base import Progress

_URLS = ("duckdb:", "://")
_MANIFEST = ".batch.json"


@dataclass(frozen=True)
class Basis:
    """An open database. ``origin`` names it in the report; ``notes`` say what to know about it."""

    target: Target
    origin: str
    notes: tuple[str, ...] = ()
    loading: Loading | None = None


def is_url(given: str) -> bool:
    """Whether a text is the URL of a database rather than a folder."""
    return given.startswith(_URLS[0]) or _URLS[1] in given


@contextmanager
def of_database(url: str) -> Iterator[Basis]:
    """Open a database to read it. Raises :class:`AgentError` if that fails."""
    with loading.opened(url, read_only=True) as target:
        yield Basis(target, target.title)


@contextmanager
def of_folder(folder: Path, progress: Progress, called: str = "") -> Iterator[Basis]:
    """Load what lies in the inbox of a controller, or in the export folder of an agent.

    ``called`` names it for readers of the report; without it, they see the folder. Raises :class:`ConfigurationError`
    if the folder is neither.
    """
    exports = _exports(folder)
    if exports:
        with collected_batches(exports) as found, _loaded(found, called or str(folder), progress) as basis:
            yield basis
        return
    if not any(folder.glob(f"*/*/{RECEIPT}")):
        raise ConfigurationError(
            f"{folder}: there is neither an inbox of a controller nor an export of an agent",
            "name a folder such as controller/inbox or export, or the URL of a database",
        )
    with _loaded(batches(folder), called or str(folder), progress, erased=erased_inbox.remembered(folder)) as basis:
        yield basis


def _exports(folder: Path) -> list[Path]:
    """The folders of projects in an export folder, or the folder itself if it is that of a project."""
    if (folder / _MANIFEST).exists():
        return [folder]
    return sorted(path.parent for path in folder.glob(f"*/{_MANIFEST}"))


@contextmanager
def of_agent(settings: Settings, progress: Progress) -> Iterator[Basis]:
    """Load what lies at this agent: the newest batch of each project, and what waits in the outbox."""
    home = settings.home
    keys = sorted({path.name for place in (home.export, home.outbox) for path in place.glob("*/") if path.is_dir()})
    kept = [batch for key in keys for batch in outbox.waiting(settings.project(key))]
    folders = [home.export / key for key in keys if (home.export / key).is_dir()]
    with collected_batches(folders, kept) as found:
        if not found:
            raise ConfigurationError(
                f"nothing was collected yet in {home.root}", "collect something: gros-agent scrape; or name --from"
            )
        there = {(one.project, one.identifier) for one in found}
        gone = {key: _gone(home.state / "receipts" / key, key, there) for key in keys}
        notes = tuple(
            f"{counted(count, 'earlier batch', 'earlier batches')} of {key} went to the controller and"
            f" {'is' if count == 1 else 'are'} not in this report: a database of what arrived there has all of it."
            for key, count in gone.items()
            if count
        )
        with _loaded(found, "this agent", progress, notes) as basis:
            yield basis


def _gone(receipts: Path, key: str, there: set[tuple[str, str]]) -> int:
    """How many batches were delivered and are no longer here."""
    return sum((key, path.stem) not in there for path in receipts.glob("*.json"))


@contextmanager
def _loaded(
    found: Sequence[LoadableBatch],
    origin: str,
    progress: Progress,
    notes: tuple[str, ...] = (),
    erased: Erased | None = None,
) -> Iterator[Basis]:
    with (
        tempfile.TemporaryDirectory(prefix="gros-agent-report-") as name,
        loading.opened(f"duckdb:{Path(name) / 'report.duckdb'}") as target,
    ):
        result = loading.load_batches(found, target, progress, erased or Erased())
        yield Basis(target, origin, notes, result)

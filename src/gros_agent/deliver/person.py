"""What an agent can tell about a person: the pseudonyms in a project, and the batches that may contain them.

People in free text are not searched for. Only tables that are still on this machine can be searched for pseudonyms: the
others are at the controller, which has the same pseudonyms.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from gros_agent.deliver import outbox, receipts
from gros_agent.deliver.receipts import Receipt
from gros_agent.errors import ConfigurationError
from gros_agent.privacy import secrets
from gros_agent.privacy.forms import forms
from gros_agent.privacy.pseudonyms import Pseudonymiser
from gros_agent.runtime.storage import storage_errors
from gros_agent.settings.environment import PLAIN
from gros_agent.settings.model import ProjectSettings
from gros_agent.tables.batch import ProjectFolder


@dataclass(frozen=True)
class KnownAs:
    """A pseudonym, the number of the given text that leads to it (from 1), and what was changed in that text.

    The text itself is left out, so that the result can be passed on to those who must not know it.
    """

    pseudonym: str
    given: int
    form: str


@dataclass(frozen=True)
class Sent:
    """A batch that was delivered: when, to which controller, its files, and what became of its import.

    ``known_by`` says how the agent knows that the controller has the batch, as in its receipt.
    """

    batch: str
    delivered: datetime
    controller: str
    rows: int
    files: tuple[str, ...]
    imported: bool | None
    known_by: str

    @classmethod
    def of(cls, receipt: Receipt) -> "Sent":
        """What a receipt says."""
        return cls(
            receipt.batch,
            receipt.delivered,
            receipt.controller,
            receipt.rows,
            tuple(one.name for one in receipt.files),
            receipt.imported,
            receipt.known_by,
        )


@dataclass(frozen=True)
class FoundHere:
    """How many rows of a table on this machine contain any of the pseudonyms."""

    path: str
    rows: int


@dataclass(frozen=True)
class Person:
    """All that is known in one project."""

    project: str
    pseudonyms: tuple[KnownAs, ...]
    sent: tuple[Sent, ...]
    here: tuple[FoundHere, ...]
    waiting: int
    searched_free_text: bool = False


def look_up(project: ProjectSettings, given: Sequence[str], since: datetime | None = None) -> Person:
    """Find the pseudonyms of the person with these names, accounts and addresses, and the batches sent ``since`` then.

    Raises :class:`ConfigurationError` if the project has no pseudonyms, or if nothing was given.
    """
    pseudonyms = tuple(_pseudonyms(_pseudonymiser(project), given))
    if not pseudonyms:
        raise ConfigurationError(
            "no name, account or address was given", "give all that the person has, as arguments or lines of input"
        )
    sent = tuple(Sent.of(one) for one in receipts.receipts_of(project) if since is None or one.delivered >= since)
    waiting = outbox.waiting(project)
    tables = {one.folder: one.manifest.tables for one in waiting}
    if (newest := ProjectFolder(project.folder).batch()) is not None:
        tables[project.folder] = newest.tables
    here = tuple(_found(tables, [one.pseudonym for one in pseudonyms]))
    return Person(project.key, pseudonyms, sent, here, len(waiting))


def _pseudonymiser(project: ProjectSettings) -> Pseudonymiser:
    path = secrets.find(project.home.root, project.key)
    if path is not None:
        return Pseudonymiser(secrets.read(path))
    if project.environment.plain:
        raise ConfigurationError(
            f"project {project.key} has no secrets, and {PLAIN} is set: its tables contain no pseudonyms, but the names"
            " and addresses themselves",
            "search the tables for these",
        )
    if project.key not in project.settings.projects and not project.folder.exists():
        known = ", ".join(project.settings.projects)
        raise ConfigurationError(
            f"project {project.key} is unknown here: it has no secrets and no tables",
            f"name one of {known} with --project" if known else "name the home of its agent with --home",
        )
    raise ConfigurationError(
        f"project {project.key} has no secrets yet, so no pseudonyms were made",
        f"if its secrets were lost, restore {secrets.candidates(project.home.root, project.key)[0]} from a backup",
    )


def _pseudonyms(pseudonymiser: Pseudonymiser, given: Sequence[str]) -> Iterator[KnownAs]:
    known: set[str] = set()
    for number, text in enumerate(given, 1):
        for form, what in forms(text).items():
            for field, words in (("", what), ("username", f"{what}, by a pattern for user names")):
                value = pseudonymiser.field(field, form)
                if value not in known:
                    known.add(value)
                    yield KnownAs(value, number, words)


def _found(tables: Mapping[Path, Mapping[str, int]], pseudonyms: Sequence[str]) -> Iterator[FoundHere]:
    """Count rows in the tables of each folder. Each row is a line."""
    pattern = re.compile("|".join(pseudonyms).encode())
    for folder, names in tables.items():
        for path in (folder / name for name in sorted(names)):
            if not path.exists():  # the user may have moved it away
                continue
            with storage_errors(folder), path.open("rb") as stream:
                count = sum(pattern.search(line) is not None for line in stream)
            if count:
                yield FoundHere(str(path), count)

"""Erases people in a database and in the inbox that it is loaded from.

The inbox remembers the people first, so that a kill at any moment leaves nothing that a later call or load would not
finish.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from gros_agent.database import erased_inbox, erasing, loading
from gros_agent.database.erased import check_pseudonyms
from gros_agent.database.erased_inbox import Rewritten
from gros_agent.database.erasing import Place
from gros_agent.errors import ExitStatus


@dataclass
class Erasure:
    """The columns of the database and the batches of the inbox in which people were erased.

    ``left`` has the files that still contain them, with the reason. ``database`` and ``inbox`` say what was searched.
    """

    database: bool
    inbox: bool
    places: list[Place] = field(default_factory=list)
    batches: list[Rewritten] = field(default_factory=list)
    left: dict[str, str] = field(default_factory=dict)

    @property
    def status(self) -> ExitStatus:
        """The exit status: incomplete if a file still contains the people."""
        return ExitStatus.PARTLY if self.left else ExitStatus.DONE


def erase(pseudonyms: Sequence[str], url: str | None, inbox: Path | None) -> Erasure:
    """Erase these people in a database, an inbox, or both.

    Raises :class:`ConfigurationError` for a text that is no pseudonym, and :class:`AgentError` if the database or the
    disk fails. What was done until then stays, and another call does the rest.
    """
    people = check_pseudonyms(pseudonyms)
    result = Erasure(url is not None, inbox is not None)
    if inbox is not None:
        erased_inbox.remember(inbox, people)
    if url is not None:
        with loading.opened(url, is_filled=True) as target:
            target.require_tables()
            target.prepare()
            result.places = erasing.erase(target, people)
    if inbox is not None:
        result.batches, result.left = erased_inbox.rewrite(inbox)
    return result

"""Reads the tags: the direct children of the folder ``tags`` below the URL, each with its last change.

One ``svn list`` returns them with their revisions. The messages of these come from the mirror, or from one ``svn log``
if there is no mirror.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from gros_agent.rows import NOBODY, Row, Tag
from gros_agent.rows.moments import Moments
from gros_agent.sources.subversion.client import Client, MissingError, seconds

_BLOCK = 200


@dataclass(frozen=True, slots=True)
class _Found:
    name: str
    revision: int
    author: str
    date: int | None


Messages = Callable[[Iterable[int]], Mapping[int, str]]
"""Returns the messages of revisions."""


def rows(client: Client, head: int, repo_name: str, messages: Messages, moments: Moments) -> Iterator[Sequence[Row]]:
    """Yield all tags in blocks. Raises :class:`SourceError`."""
    found = sorted(_found(client, head), key=lambda tag: tag.name)
    for start in range(0, len(found), _BLOCK):
        block = found[start : start + _BLOCK]
        told = messages({tag.revision for tag in block})
        yield [_row(repo_name, tag, told.get(tag.revision, ""), moments) for tag in block]


def _found(client: Client, head: int) -> Iterator[_Found]:
    try:
        for entry in client.elements("entry", "list", client.access.at("tags", head)):
            commit = entry.find("commit")
            if commit is not None:
                yield _Found(
                    entry.findtext("name") or "",
                    int(commit.get("revision") or 0),
                    commit.findtext("author") or "",
                    seconds(commit.findtext("date")),
                )
    except MissingError:  # a repository without this layout has no tags
        return


def asked_messages(client: Client, head: int) -> Messages:
    """Messages from the repository, one request per block."""

    def ask(revisions: Iterable[int]) -> Mapping[int, str]:
        options = [option for number in sorted(revisions) for option in ("-c", str(number))]
        entries = client.elements("logentry", "log", *options, client.access.at("tags", head))
        return {int(entry.get("revision") or 0): entry.findtext("msg") or "" for entry in entries}

    return ask


def _row(repo_name: str, tag: _Found, message: str, moments: Moments) -> Tag:
    return Tag(
        repo_name=repo_name,
        tag_name=tag.name,
        version_id=str(tag.revision),
        message=message,
        tagged_date=moments.local(tag.date),
        tagger=tag.author or NOBODY,
        tagger_email=NOBODY,
    )

"""Reads the tags of a clone: annotated tags with message, date and tagger, lightweight tags without."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

from gros_agent.rows import NOBODY, Row, Tag
from gros_agent.rows.moments import UNKNOWN, Moments
from gros_agent.sources.git.clone import Clone
from gros_agent.sources.git.log import text
from gros_agent.sources.git.stream import GitStream

_BLOCK = 200
_PREFIX = "refs/tags/"
_FIELDS = (
    *("%(refname)", "%(objecttype)", "%(objectname)", "%(taggername)", "%(taggeremail:trim)"),
    *("%(tagger)", "%(contents:signature)", "%(contents)"),  # %(taggerdate) does not support moments before 1970
)
_DATE = re.compile(r"> (-?\d+) [-+]\d+$")
_CONTACT = re.compile(r"[^<>\n]+ <[^<>\n]+>")
NO_COMMIT = "0"


@dataclass(slots=True)
class _Found:
    name: str
    kind: str
    target: str
    tagger: str
    address: str
    header: str
    message: str


def rows(clone: Clone, repo_name: str, moments: Moments) -> Iterator[Sequence[Row]]:
    """Yield all tags of a clone in blocks. A tag that does not point to a commit has ``"0"`` instead."""
    found = _found(clone)
    while block := list(islice(found, _BLOCK)):
        commits = _commits(clone, [tag.target for tag in block])
        names = _mapped(clone, block)
        yield [_row(repo_name, tag, commits[tag.target], names, moments) for tag in block]


def _found(clone: Clone) -> Iterator[_Found]:
    form = "%00".join(_FIELDS) + "%00"
    with GitStream(clone, "for-each-ref", f"--format={form}", _PREFIX) as stream:
        records = stream.records(b"\0")
        while True:
            fields = list(islice(records, len(_FIELDS)))
            if len(fields) < len(_FIELDS):
                return
            name, kind, target, tagger, address, header, signature, message = map(text, fields)
            name = name.lstrip("\n").removeprefix(_PREFIX)
            yield _Found(name, kind, target, tagger, address, header, message.removesuffix(signature))


def _commits(clone: Clone, targets: list[str]) -> dict[str, str]:
    """The commit that each object points to, through any number of tags."""
    question = "".join(f"{target}^{{commit}}\n" for target in targets)
    with GitStream(clone, "cat-file", "--batch-check=%(objectname)", stdin=question.encode()) as stream:
        answers = [line.decode("ascii") for line in stream.records(b"\n")]
    return {target: NO_COMMIT if " " in answer else answer for target, answer in zip(targets, answers, strict=True)}


def _mapped(clone: Clone, tags: list[_Found]) -> dict[tuple[str, str], tuple[str, str]]:
    """Names and addresses of the taggers according to the repository's mailmap."""
    people = {(tag.tagger, tag.address) for tag in tags}
    contacts = {person: f"{person[0]} <{person[1]}>" for person in people}
    known = {person: contact for person, contact in contacts.items() if _CONTACT.fullmatch(contact)}
    question = "".join(f"{contact}\n" for contact in known.values())
    with GitStream(clone, "check-mailmap", "--stdin", stdin=question.encode()) as stream:
        answers = [text(line) for line in stream.records(b"\n")]
    mapped = {}
    for person, answer in zip(known, answers, strict=True):
        name, _, address = answer.rpartition(" <")
        mapped[person] = (name, address.removesuffix(">"))
    return mapped


def _row(
    repo_name: str, tag: _Found, commit: str, names: dict[tuple[str, str], tuple[str, str]], moments: Moments
) -> Tag:
    annotated = tag.kind == "tag"
    found = _DATE.search(tag.header)
    tagger, address = names.get((tag.tagger, tag.address), (tag.tagger, tag.address))
    return Tag(
        repo_name=repo_name,
        tag_name=tag.name,
        version_id=commit,
        message=tag.message if annotated else NOBODY,
        tagged_date=moments.local(int(found[1]) if found else None) if annotated and tag.header else UNKNOWN,
        tagger=(tagger if annotated else "") or NOBODY,
        tagger_email=(address if annotated else "") or NOBODY,
    )

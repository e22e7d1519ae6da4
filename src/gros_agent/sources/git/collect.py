"""Collects a repository: its new commits with their changes, and all tags."""

from collections.abc import Generator, Iterator, Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from gros_agent.errors import SourceError
from gros_agent.rows import Row
from gros_agent.rows.moments import Moments
from gros_agent.sources.base import Collected, Context
from gros_agent.sources.git import access, tags
from gros_agent.sources.git.clone import HEAD, Advertised, Clone, Remote, remove
from gros_agent.sources.git.history import History


def check(context: Context) -> str:
    """Ask the repository for its default branch and tags."""
    remote = Remote(access.resolve(context), context.silence)
    advertised = remote.advertised()
    if advertised.head is None:
        return f"answers; {_nothing(advertised)}"
    return f"answers; newest commit {advertised.head[:12]}"


def collect(context: Context, since: str | None) -> Generator[Sequence[Row], None, Collected]:
    """Yield new commits, oldest first, their changed files, and all tags."""
    remote = Remote(access.resolve(context), context.silence)
    advertised = remote.advertised()
    if advertised.head is None:
        return Collected(position=None, notes=(_nothing(advertised),), expected=0)
    with context.capacity.working():
        return (yield from _read(context, since, remote, advertised))


def _read(
    context: Context, since: str | None, remote: Remote, advertised: Advertised
) -> Generator[Sequence[Row], None, Collected]:
    remove(_beside(context.folder))
    with_statistics = not context.host.is_on("skip_stats")
    clone = Clone(context.folder, remote, contents=with_statistics)
    lacking = _lacking(context.folder)
    if clone.is_shallow:
        lacking.touch()
    known = not clone.exists and not lacking.exists() and not _named_tag(context, advertised)
    if advertised.head == since and known:
        return (yield from _tags_alone(context, remote, advertised))
    clone.update(advertised, context.progress)
    if clone.is_shallow:
        lacking.touch()
    mailmap = clone.leave_out_huge_mailmap(HEAD)
    completed = lacking.exists() and not clone.is_shallow
    if completed:
        since = None
    head, chosen = _head(context, clone, advertised)
    oldest = None if chosen else _from_date(context)
    history = History(clone, head, since, context.entry.name, oldest)
    yield from history.rows(context.capacity, context.progress, with_statistics=with_statistics)
    yield from tags.rows(clone, context.entry.name, history.moments)
    if oldest is not None and since is None:
        chosen = (f"only commits since {context.host.get('from_date')} were collected, as from_date says",)
    if completed:
        chosen = (*chosen, "the repository was shallow, and is whole now: everything was collected again")
    notes = (*advertised.notes, *chosen, *history.notes, *_shallow(clone), *((mailmap,) if mailmap else ()))

    return Collected(
        position=head,
        notes=notes,
        expected=history.expected,
        published=partial(lacking.unlink, missing_ok=True) if completed else None,
    )


def _tags_alone(context: Context, remote: Remote, advertised: Advertised) -> Generator[Sequence[Row], None, Collected]:
    """Yield the tags of a repository without new commits whose clone is gone. It is not cloned again."""
    moments = Moments()
    if advertised.tags:
        folder = _beside(context.folder)
        try:
            clone = Clone(folder, remote, contents=False, depth=1)
            clone.update(advertised, context.progress)
            clone.leave_out_huge_mailmap(HEAD)
            yield from tags.rows(clone, context.entry.name, moments)
        finally:
            remove(folder)
    return Collected(position=advertised.head, notes=(*advertised.notes, *moments.notes()), expected=0)


def _nothing(advertised: Advertised) -> str:
    """Explain why a repository without a branch has nothing to collect."""
    if advertised.tags:
        return f"the repository has no branch; {len(advertised.tags)} tags were left out"
    return "the repository is empty"


def _beside(folder: Path) -> Path:
    """The location of a temporary clone."""
    return folder.with_name(f"{folder.name}.temporary")


def _lacking(folder: Path) -> Path:
    """The path of a marker file for a repository that was shallow when it was collected.

    It exists until the history is complete and collected. It is next to the clone, since that may be removed.
    """
    return folder.with_name(f"{folder.name}.shallow")


def _named_tag(context: Context, advertised: Advertised) -> str | None:
    """The tag that the host's options name, if the repository has it."""
    name = context.host.get("tag")
    return name if f"refs/tags/{name}" in advertised.tags else None


def _shallow(clone: Clone) -> Iterator[str]:
    if clone.is_shallow:
        yield "the repository is shallow: its older commits are missing, and the oldest ones look like first commits"


def _head(context: Context, clone: Clone, advertised: Advertised) -> tuple[str, tuple[str, ...]]:
    """The commit to collect up to, and a note if it comes from the tag in the host's options."""
    assert advertised.head is not None  # noqa: S101 (an empty repository was handled before)
    name = _named_tag(context, advertised)
    if name is None:
        return advertised.head, ()
    found = clone.git("rev-parse", "--verify", "--quiet", f"refs/tags/{name}^{{commit}}")
    if found.status:
        raise SourceError(f"the tag {name} does not point to a commit", "name another tag, or switch the option off")
    return found.output.decode().strip(), (
        f"only commits up to the tag {name} were collected, as configured for the host",
    )


def _from_date(context: Context) -> int | None:
    """The moment before which a first collection leaves out commits, in seconds since 1970."""
    text = context.host.get("from_date")
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise SourceError(
            f"[{context.host.section}] from_date = {text} is not a date", "write one such as 2024-12-31"
        ) from None
    return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp())

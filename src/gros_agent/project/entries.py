"""Entries: the sources that ``data_sources.json`` lists and that ``--source`` options name."""

import json
import logging
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated
from urllib.parse import unquote, urlsplit

import msgspec

from gros_agent.errors import ConfigurationError, Problems, SourceError
from gros_agent.options.values import Secret
from gros_agent.rows import folded, trimmed
from gros_agent.rows.fitting import fitted
from gros_agent.runtime.decoding import decoder
from gros_agent.runtime.files import MAX_OWN_BYTES, read_text, settle
from gros_agent.runtime.masking import redactor
from gros_agent.runtime.spelling import did_you_mean
from gros_agent.runtime.urls import split, take_credentials, without_credentials, without_user
from gros_agent.sources import by_type, known_types
from gros_agent.sources.base import SourceEntry

log = logging.getLogger(__name__)

FILE = "data_sources.json"
_GUESSED = "git"
"""The type of a source without one: every system with repositories can be read by Git."""

SENT = f".{FILE}"
"""The copy of the list that is sent to the controller with the batch beside it."""
_LONGEST = {"type": 32, "name": 1000, "url": 255}
"""Lengths of the importer's columns, in characters."""

ORIGIN, OPTION = "origin", "--source"
"""Marks an entry that an option of the last scrape named. It is listed so that the importer gets its address."""

_Text = Annotated[str, msgspec.Meta(min_length=1)]


class _Listed(msgspec.Struct):
    type: _Text
    name: _Text
    url: _Text
    origin: str = ""


def read(path: Path) -> tuple[SourceEntry, ...] | None:
    """Read the entries of ``data_sources.json``, or return None if there is no such file.

    Raises :class:`ConfigurationError` if it is damaged, or if an entry has no type, name or URL.
    """
    try:
        try:
            listed = _decode(path)
        except msgspec.MsgspecError:
            settle(lambda: (path,))  # it may be written right now
            listed = _decode(path)
    except msgspec.MsgspecError as error:
        raise ConfigurationError(
            f"{path}: the list of sources is damaged: {_in_words(error)}",
            "it is a JSON list of objects with type, name and url; correct it, or save it again in the web interface",
        ) from None
    if listed is None:
        return None
    return tuple(_entry(one.type, one.name, one.url, path.parent) for one in listed if one.origin != OPTION)


def _in_words(error: msgspec.MsgspecError) -> str:
    """Explain an error of the JSON library in words that need no knowledge of it."""
    text = str(error)
    if text == "Input data was truncated":
        return "it is empty or ends too early"
    what, _, place = text.partition(" - at ")
    lacks = re.fullmatch(r"Object missing required field `(.+)`", what)
    entry = re.search(r"\$\[(\d+)\]", place)
    where = f"entry {int(entry[1]) + 1}" if entry else "it"
    if lacks:
        return f"{where} has no {lacks[1]}"
    return f"{where}: {what}" if entry else what


def sent(rows: Iterable[Mapping[str, str]], folder: Path) -> bytes:
    """The list as the importer accepts it: types, names and URLs without credentials.

    Entries that are too long for the importer's columns are left out; it then imports the repository without type and
    address.
    """
    fitting = [one for entry in of_rows(rows, folder) if _fits(one := _as_published(entry))]
    return ("[\n" + ",\n".join(json.dumps(one) for one in fitting) + "\n]\n" if fitting else "[]\n").encode()


def _as_published(entry: SourceEntry) -> dict[str, str]:
    """An entry without the user in its URL, and with a type that the published list of types has."""
    source = by_type().get(entry.type)
    kind = source.sent_as if source and source.sent_as else entry.type
    return {**entry.listed(), "type": kind, "url": without_user(entry.url)}


def too_long(path: Path) -> Sequence[str]:
    """The names of entries that are too long for the importer's columns, and are not sent.

    Raises :class:`ConfigurationError`.
    """
    listed = (_entry(one.type, one.name, one.url, path.parent) for one in _decode(path) or ())
    return [entry.name for entry in listed if not _fits(entry.listed())]


def _fits(listed: Mapping[str, str]) -> bool:
    return all(fitted(text, _LONGEST[name]) == text for name, text in listed.items())


def of_rows(rows: Iterable[Mapping[str, str]], folder: Path) -> tuple[SourceEntry, ...]:
    """Make entries of the rows of ``data_sources.json``."""
    return tuple(_entry(row["type"], row["name"], row["url"], folder) for row in rows)


def _decode(path: Path) -> list[_Listed] | None:
    text = read_text(path, "the list of sources", MAX_OWN_BYTES)
    return None if text is None else decoder(list[_Listed]).decode(text)


def parse(options: Iterable[str], folder: Path) -> tuple[SourceEntry, ...]:
    """Parse ``TYPE[:NAME]=URL`` options; relative paths start at ``folder``.

    Raises :class:`ConfigurationError`, or all of them together as :class:`Problems`.
    """
    entries: list[SourceEntry] = []
    problems: list[ConfigurationError] = []
    for option in options:
        try:
            entries.append(_parse_option(option, folder))
        except ConfigurationError as problem:
            problems.append(problem)
    Problems.raise_if(problems)
    return tuple(entries)


def _parse_option(option: str, folder: Path) -> SourceEntry:
    head, separator, url = option.partition("=")
    kind, _, name = head.partition(":")
    if _is_address(head, separator):
        kind, name, url = _GUESSED, "", option
        log.warning("--source %s has no type: it is taken for %s", without_credentials(option), _GUESSED)
    if not url:
        raise ConfigurationError(f"--source {option}: this is no source", "write TYPE=URL or TYPE:NAME=URL")
    if kind not in known_types():
        question = did_you_mean(kind, known_types())
        shown = f"{head}={without_credentials(url)}"
        raise ConfigurationError(
            f"--source {shown}: there is no type {kind!r}{question}", f"the types are {', '.join(known_types())}"
        )
    entry = _entry(kind, name, url, folder)
    try:
        split(entry.url)
    except SourceError as error:
        raise ConfigurationError(f"--source {error.message}", error.hint) from None
    return entry


def _is_address(head: str, separator: str) -> bool:
    """Whether an option is a URL or an existing path without a type before it."""
    is_login = "@" in head and head.partition(":")[0] not in known_types()
    return "://" in head or is_login or (not separator and ("/" in head or head == "."))


def make(kind: str, name: str, url: str) -> SourceEntry:
    """Make an entry, with the credentials taken out of its URL."""
    return _entry(kind, name, url, Path.cwd())


def _entry(kind: str, name: str, url: str, folder: Path) -> SourceEntry:
    if is_path(url):
        url = (folder / Path(url).expanduser()).resolve().as_uri()
    url, username, password = take_credentials(url)
    if password:
        redactor.hide((password,))
    return SourceEntry(kind, name or _name(url), url, username, Secret(password) if password else None)


def same(url: str) -> str:
    """A URL in normal form for comparison: without credentials, in lower case, without a final ``.git``."""
    return without_credentials(url).lower().rstrip("/").removesuffix(".git")


def distinct(found: Sequence[SourceEntry]) -> tuple[SourceEntry, ...]:
    """Give the entries names that the importer can tell apart and find again.

    The importer ignores case and surrounding blanks when it compares names, so it could take two entries for one
    repository. It never finds a name with surrounding blanks again, and would add a repository with each import.
    """
    taken: dict[str, str] = {}
    named = []
    for entry in found:
        name = trimmed(entry.name)
        if not name or folded(name) in taken:
            name = free_name(replace(entry, name=name), taken)
        taken[folded(name)] = entry.type
        named.append(entry if name == entry.name else replace(entry, name=name))
    return tuple(named)


def free_name(entry: SourceEntry, taken: Mapping[str, str]) -> str:
    """The name of an entry; if it is taken, with the type or the groups of the repository added.

    ``taken`` maps names, :func:`folded`, to types.
    """
    path = split(entry.url).path.strip("/").removesuffix(".git").replace("/", "-")
    typed = f"{entry.name}-{entry.type}"
    others = (path, typed) if taken.get(folded(entry.name)) == entry.type else (typed, path)
    numbered = (f"{entry.name}-{number}" for number in range(2, len(taken) + 3))
    return next(name for name in (entry.name, *others, *numbered) if name and folded(name) not in taken)


def is_path(url: str) -> bool:
    """Whether a text is a path and not a URL. As in git, a colon before the first slash makes it a URL."""
    return "://" not in url and ":" not in url.partition("/")[0] and not url.startswith("-")


def _name(url: str) -> str:
    """The default name of a source: the last part of its URL."""
    path = urlsplit(url).path if "://" in url else url.rpartition(":")[2]
    last = unquote(path.rstrip("/").rpartition("/")[2])
    return last.removesuffix(".git") or "repository"

"""Which sources a project has: the file ``data_sources.json``, and the ``--source`` options of a command line."""

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
from gros_agent.runtime.files import MAX_OWN_BYTES, read_text, settle
from gros_agent.runtime.masking import redactor
from gros_agent.runtime.spelling import did_you_mean
from gros_agent.runtime.urls import split, take_credentials, without_credentials, without_user
from gros_agent.sources import known_types
from gros_agent.sources.base import SourceEntry

log = logging.getLogger(__name__)

FILE = "data_sources.json"
_GUESSED = "git"
"""What a source is taken for whose type was left out: every system that has repositories is one of Git, too."""

SENT = f".{FILE}"
"""The list as it goes to the controller with the batch that lies beside it."""
_LONGEST = {"type": 32, "name": 1000, "url": 255}
"""Characters that the importer's columns hold."""

ORIGIN, OPTION = "origin", "--source"
"""Marks an entry that is there since an option of the last scrape named it: the importer has the address from there."""

_Text = Annotated[str, msgspec.Meta(min_length=1)]


class _Listed(msgspec.Struct):
    type: _Text
    name: _Text
    url: _Text
    origin: str = ""


def read(path: Path) -> tuple[SourceEntry, ...] | None:
    """Read what ``data_sources.json`` says is to be collected each time, or return None if there is none.

    Raises :class:`ConfigurationError` if it is damaged, or an entry lacks its type, name or URL.
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
    """What is wrong with the list, for people who know nothing of the library that read it."""
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
    """The list as the importer takes it: types, names and URLs without credentials, each as long as its column holds.

    What is longer is left out: the repository is imported without its type and address then.
    """
    fitting = [one for entry in of_rows(rows, folder) if _fits(one := _named_by_nobody(entry.listed()))]
    return ("[\n" + ",\n".join(json.dumps(one) for one in fitting) + "\n]\n" if fitting else "[]\n").encode()


def _named_by_nobody(listed: Mapping[str, str]) -> dict[str, str]:
    """An entry without the user in its URL."""
    return {**listed, "url": without_user(listed["url"])}


def too_long(path: Path) -> Sequence[str]:
    """The names in ``data_sources.json`` of sources that the importer has no room for: they are not in what is sent.

    Raises :class:`ConfigurationError`.
    """
    listed = (_entry(one.type, one.name, one.url, path.parent) for one in _decode(path) or ())
    return [entry.name for entry in listed if not _fits(entry.listed())]


def _fits(listed: Mapping[str, str]) -> bool:
    return all(fitted(text, _LONGEST[name]) == text for name, text in listed.items())


def of_rows(rows: Iterable[Mapping[str, str]], folder: Path) -> tuple[SourceEntry, ...]:
    """Entries of what was read from such a file."""
    return tuple(_entry(row["type"], row["name"], row["url"], folder) for row in rows)


def _decode(path: Path) -> list[_Listed] | None:
    text = read_text(path, "the list of sources", MAX_OWN_BYTES)
    return None if text is None else msgspec.json.decode(text, type=list[_Listed])


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
    """Whether an option has no type before its URL: then all of it is an address, or a path that is there."""
    is_login = "@" in head and head.partition(":")[0] not in known_types()
    return "://" in head or is_login or (not separator and ("/" in head or head == "."))


def make(kind: str, name: str, url: str) -> SourceEntry:
    """An entry of its own, with the credentials taken out of its URL."""
    return _entry(kind, name, url, Path.cwd())


def _entry(kind: str, name: str, url: str, folder: Path) -> SourceEntry:
    if is_path(url):
        url = (folder / Path(url).expanduser()).resolve().as_uri()
    url, username, password = take_credentials(url)
    if password:
        redactor.hide((password,))
    return SourceEntry(kind, name or _name(url), url, username, Secret(password) if password else None)


def same(url: str) -> str:
    """A URL in a form in which those of one repository are alike: without credentials, case and ``.git`` at its end."""
    return without_credentials(url).lower().rstrip("/").removesuffix(".git")


def distinct(found: Sequence[SourceEntry]) -> tuple[SourceEntry, ...]:
    """The entries with names that the importer can tell apart, and finds again.

    It compares names without regard to case and to blanks around them, so that it would take two entries for one
    repository. It never finds one again whose name has such blanks, and would make another repository each time.
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
    """The name of a source; where another one has that, with its type or with the groups of its repository.

    ``taken`` maps names, :func:`folded`, to types.
    """
    path = split(entry.url).path.strip("/").removesuffix(".git").replace("/", "-")
    typed = f"{entry.name}-{entry.type}"
    others = (path, typed) if taken.get(folded(entry.name)) == entry.type else (typed, path)
    numbered = (f"{entry.name}-{number}" for number in range(2, len(taken) + 3))
    return next(name for name in (entry.name, *others, *numbered) if name and folded(name) not in taken)


def is_path(url: str) -> bool:
    """Whether a text is a path and no URL, as git decides it: a colon before the first slash makes it one."""
    return "://" not in url and ":" not in url.partition("/")[0] and not url.startswith("-")


def _name(url: str) -> str:
    """A name for a source that was given none: the last part of its URL."""
    path = urlsplit(url).path if "://" in url else url.rpartition(":")[2]
    last = unquote(path.rstrip("/").rpartition("/")[2])
    return last.removesuffix(".git") or "repository"

"""Parses the URLs of sources: ordinary URLs, and git's short form ``user@host:path``."""

import re
from collections.abc import Sequence
from urllib.parse import SplitResult, unquote, urlsplit, urlunsplit

from gros_agent.errors import SourceError

SCP = "scp"
"""The scheme for the short form, whose path is relative to the user's home at the host."""

_SCP_LIKE = re.compile(r"(?:(?P<user>[^@/:]+)@)?(?P<host>\[[^\]]+\]|[^/:@]+):(?P<path>(?!//).+)")
_PRINTABLE = 32


def split(url: str) -> SplitResult:
    """Parse a URL or ``user@host:path``. Raises :class:`SourceError` if it is neither."""
    hint = "write a URL such as https://host/path or ssh://user@host/path"
    if url.startswith("-") or any(ord(character) < _PRINTABLE for character in url):
        raise SourceError(f"{url!r} is not a URL", hint)
    if "::" in url.partition("/")[0]:
        raise SourceError(f"{url}: this transport is not allowed", hint)
    if "://" in url:
        try:
            parts = urlsplit(url)
            _ = parts.port
        except ValueError as error:
            raise SourceError(f"{without_password(url)}: {error}", hint) from None
        if parts.scheme != "file" and (not parts.hostname or parts.hostname.startswith("-")):
            raise SourceError(f"{without_password(url)}: there is no host in this URL", hint)
        return parts
    match = _SCP_LIKE.fullmatch(url)
    if match is None or match["host"].startswith("-"):
        raise SourceError(f"{url}: this is not a URL", hint)
    user = f"{match['user']}@" if match["user"] else ""
    return SplitResult(SCP, user + match["host"], match["path"], "", "")


def take_credentials(url: str) -> tuple[str, str | None, str | None]:
    """Return a URL without its password, and the user name and password from it.

    For HTTP(S) the user name is removed, too. A URL that can't be parsed is returned unchanged.
    """
    try:
        parts = split(url)
    except SourceError:
        return url, None, None
    if parts.scheme in {SCP, "file"} or "@" not in parts.netloc:
        return url, None, None
    username = unquote(parts.username) if parts.username else None
    password = unquote(parts.password) if parts.password else None
    host = parts.netloc.rpartition("@")[2]
    keep = "" if parts.scheme in {"http", "https"} or not parts.username else f"{parts.username}@"
    return urlunsplit(parts._replace(netloc=keep + host)), username, password


def at_host(url: str, address: str) -> str:
    """A URL with this host[:port] instead of its own. Raises :class:`SourceError` if it can't be parsed.

    In the short form the port is left out.
    """
    parts = split(url)
    user, at, _ = parts.netloc.rpartition("@")
    if parts.scheme == SCP:
        return f"{user}{at}{re.sub(r'(?<=.):[0-9]+$', '', address)}:{parts.path}"
    return urlunsplit(parts._replace(netloc=f"{user}{at}{address}"))


def without_credentials(url: str) -> str:
    """A URL for output: without user name and password. If it can't be parsed, credentials are masked."""
    return without_password(take_credentials(url)[0])


def without_password(text: str) -> str:
    """Mask the credentials of every URL in a text."""
    return re.sub(r"(?<=://)[^/\s@:]*:[^/\s@]*@", "********@", text)


SERVICES = frozenset({"git", "svn", "hg"})
"""User names of services in URLs. They are the same for everybody, so they identify no person."""


def without_user(url: str) -> str:
    """A URL for delivery: without its password, and without its user name unless that is in :data:`SERVICES`."""
    taken = without_credentials(url)
    try:
        parts = split(taken)
    except SourceError:
        return taken
    user, at, host = parts.netloc.rpartition("@")
    if not at or user in SERVICES:
        return taken
    return f"{host}:{parts.path}" if parts.scheme == SCP else urlunsplit(parts._replace(netloc=host))


def host_of(url: str) -> tuple[str, int | None]:
    """The host and port of a URL; empty and None for a file. Raises :class:`SourceError` if it can't be parsed."""
    parts = split(url)
    return parts.hostname or "", None if parts.scheme == SCP else parts.port


def blocking_pattern(url: str, patterns: Sequence[str]) -> str | None:
    """The first pattern of the block list that matches a URL, or None.

    A ``*`` matches any characters within the scheme, the host (with its port) or the path. A pattern without a scheme
    matches every scheme, a pattern without a path the whole host.
    """
    parts = split(url)
    scheme = "ssh" if parts.scheme == SCP else parts.scheme
    given = (scheme, parts.netloc.rpartition("@")[2], "/" + parts.path.lstrip("/"))
    for pattern in patterns:
        scheme, _, rest = pattern.strip().rpartition("://")
        host, slash, path = rest.partition("/")
        wanted = (scheme or "*", host, slash + path if path else "*")
        if all(_matches(one, text) for one, text in zip(wanted, given, strict=True)):
            return pattern.strip()
    return None


def _matches(pattern: str, text: str) -> bool:
    """Whether a pattern matches a text. Each part between ``*`` is searched for in order, which takes linear time."""
    text = text.lower()
    first, *others = pattern.lower().split("*")
    if not others:
        return text == first
    *inner, last = others
    place = len(first)
    if not text.startswith(first):
        return False
    for part in inner:
        found = text.find(part, place)
        if found < 0:
            return False
        place = found + len(part)
    return len(text) - len(last) >= place and text.endswith(last)

"""Takes the URLs of sources apart: ordinary ones, and the short form ``user@host:path`` that git knows."""

import re
from collections.abc import Sequence
from urllib.parse import SplitResult, unquote, urlsplit, urlunsplit

from gros_agent.errors import SourceError

SCP = "scp"
"""The scheme that the short form gets: its path starts at the user's home on the other side."""

_SCP_LIKE = re.compile(r"(?:(?P<user>[^@/:]+)@)?(?P<host>\[[^\]]+\]|[^/:@]+):(?P<path>(?!//).+)")
_PRINTABLE = 32


def split(url: str) -> SplitResult:
    """Take a URL, or ``user@host:path``, apart. Raises :class:`SourceError` for what is neither."""
    hint = "write a URL such as https://host/path or ssh://user@host/path"
    if url.startswith("-") or any(ord(character) < _PRINTABLE for character in url):
        raise SourceError(f"{url!r} is no URL", hint)
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
        raise SourceError(f"{url}: this is no URL", hint)
    user = f"{match['user']}@" if match["user"] else ""
    return SplitResult(SCP, user + match["host"], match["path"], "", "")


def take_credentials(url: str) -> tuple[str, str | None, str | None]:
    """Return a URL without its password, and the user name and password that stood in it.

    For HTTP(S) the user name is taken out too. A URL that can't be taken apart is returned as it is.
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
    """A URL with this host[:port] instead of its own. Raises :class:`SourceError` for what is no URL.

    The short form has no place for a port: it goes without.
    """
    parts = split(url)
    user, at, _ = parts.netloc.rpartition("@")
    if parts.scheme == SCP:
        return f"{user}{at}{re.sub(r'(?<=.):[0-9]+$', '', address)}:{parts.path}"
    return urlunsplit(parts._replace(netloc=f"{user}{at}{address}"))


def without_credentials(url: str) -> str:
    """A URL for people and for others: without its user name and password, which are masked where it can't be read."""
    return without_password(take_credentials(url)[0])


def without_password(text: str) -> str:
    """Mask the credentials of every URL in a text."""
    return re.sub(r"(?<=://)[^/\s@:]*:[^/\s@]*@", "********@", text)


SERVICES = frozenset({"git", "svn", "hg"})
"""Users of addresses that stand for a service: everybody has the same, and it names nobody."""


def without_user(url: str) -> str:
    """A URL for others: without its password, and without its user unless that is one of :data:`SERVICES`."""
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
    """The host and the port of a URL, empty and None for a file. Raises :class:`SourceError`."""
    parts = split(url)
    return parts.hostname or "", None if parts.scheme == SCP else parts.port


def blocking_pattern(url: str, patterns: Sequence[str]) -> str | None:
    """The pattern of the block list that a URL matches, or None.

    A ``*`` stands for any characters within the scheme, the host (with its port) or the path. A pattern without a
    scheme is for all of them, one without a path for the whole host.
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
    """Whether a pattern matches a text: each part between its ``*`` where it comes first, which is linear."""
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

"""The public SSH keys of the user whose token it is.

A user can't have two keys of one title here. For a new key to be there before an old one is removed, its title ends
with its fingerprint.
"""

from base64 import b64decode, b64encode
from hashlib import sha256
from http import HTTPStatus

from gros_agent.errors import SourceError
from gros_agent.http.client import Request
from gros_agent.http.faults import HttpError
from gros_agent.sources.forgejo.lists import Lists
from gros_agent.sources.forgejo.shapes import Key

_TAKEN = frozenset({HTTPStatus.BAD_REQUEST, HTTPStatus.UNPROCESSABLE_ENTITY})
_MARK = " SHA256:"


def publish(lists: Lists, url: str, title: str, line: str, *, dry_run: bool) -> str:
    """Add a key, remove others of its title after that, and say in words what was done. Raises :class:`SourceError`."""
    keys = lists.whole(url, Key)
    if any(one.key.split()[:2] == line.split()[:2] for one in keys):
        return "there already"
    old = [one for one in keys if one.title == title or one.title.startswith(title + _MARK)]
    outcome = "replaced" if old else "added"
    if dry_run:
        return f"would be {outcome}"
    content = {"title": f"{title}{_MARK}{_fingerprint(line)}", "key": line}
    try:
        lists.client.ask(Request("POST", url, content=content, once=True), Key)
    except HttpError as error:
        if error.code in _TAKEN:
            raise SourceError(error.message, "the key may belong to another account there: register --rotate") from None
        raise
    for one in old:
        lists.client.ask(Request("DELETE", f"{url}/{one.id}"), type(None))
    return outcome


def _fingerprint(line: str) -> str:
    """A key's fingerprint as OpenSSH shows it, without the name of the hash."""
    content = b64decode(line.split()[1] + "==")
    return b64encode(sha256(content).digest()).decode().rstrip("=")

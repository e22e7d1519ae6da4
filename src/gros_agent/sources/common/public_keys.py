"""Manages the public SSH keys of the token's user. GitHub and GitLab have the same API for them.

See https://docs.github.com/en/rest/users/keys and https://docs.gitlab.com/api/user_keys/.
"""

from http import HTTPStatus

import msgspec

from gros_agent.errors import SourceError
from gros_agent.http.client import Request, WebClient
from gros_agent.http.faults import HttpError
from gros_agent.http.paging import by_link, pages

_TAKEN = frozenset({HTTPStatus.BAD_REQUEST, HTTPStatus.UNPROCESSABLE_ENTITY})


class _Key(msgspec.Struct):
    id: int
    title: str
    key: str


def publish(client: WebClient, url: str, title: str, line: str, *, dry_run: bool) -> str:
    """Add a key, then remove other keys with its title, and return the result in words. Raises :class:`SourceError`."""
    keys = [
        one
        for page in pages(client, url, list[_Key], {"per_page": "100"}, by_link, size="per_page", page="page")
        for one in page.value
    ]
    if any(one.key.split()[:2] == line.split()[:2] for one in keys):
        return "there already"
    old = [one for one in keys if one.title == title]
    outcome = "replaced" if old else "added"
    if dry_run:
        return f"would be {outcome}"
    try:
        client.ask(Request("POST", url, content={"title": title, "key": line}, once=True), _Key)
    except HttpError as error:
        if error.code in _TAKEN:
            raise SourceError(error.message, "another account there may have this key; use register --rotate") from None
        raise
    for one in old:
        client.ask(Request("DELETE", f"{url}/{one.id}"), type(None))
    return outcome

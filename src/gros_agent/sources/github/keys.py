"""The public SSH keys of the user whose token it is, and the host keys that GitHub publishes.

See https://docs.github.com/en/rest/users/keys and https://docs.github.com/en/rest/meta.
"""

from collections.abc import Iterator, Sequence
from http import HTTPStatus

import msgspec

from gros_agent.errors import SourceError
from gros_agent.http.client import Request
from gros_agent.http.faults import HttpError
from gros_agent.http.paging import by_link, pages
from gros_agent.sources.base import Context
from gros_agent.sources.github import access


class _Key(msgspec.Struct):
    id: int
    title: str
    key: str


class _Meta(msgspec.Struct):
    ssh_keys: list[str] = []


def publish(context: Context, title: str, line: str, *, dry_run: bool) -> str:
    """Add a key, and remove others of its title after that."""
    base = access.rest_base(context)
    client = access.client(context, base)
    url = f"{base}/user/keys"

    def listed() -> Iterator[_Key]:
        for page in pages(client, url, list[_Key], {"per_page": "100"}, by_link):
            yield from page.value

    keys = list(listed())
    if any(_same(one.key, line) for one in keys):
        return "there already"
    old = [one for one in keys if one.title == title]
    outcome = "replaced" if old else "added"
    if dry_run:
        return f"would be {outcome}"
    try:
        client.ask(Request("POST", url, content={"title": title, "key": line}, once=True), _Key)
    except HttpError as error:
        if error.code == HTTPStatus.UNPROCESSABLE_ENTITY:
            raise SourceError(error.message, "the key may belong to another account there: register --rotate") from None
        raise
    for one in old:
        client.ask(Request("DELETE", f"{url}/{one.id}"), type(None))
    return outcome


def host_keys(context: Context) -> Sequence[str]:
    """What GitHub says of its own keys; an Enterprise Server may say nothing."""
    base = access.rest_base(context)
    return access.client(context, base).get(f"{base}/meta", _Meta).ssh_keys


def _same(one: str, other: str) -> bool:
    return one.split()[:2] == other.split()[:2]

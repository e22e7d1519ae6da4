"""Sends queries to a GraphQL API, and handles its errors.

GitHub aborts a query that takes longer than ten seconds. A smaller page may succeed. See
https://docs.github.com/en/graphql/overview/rate-limits-and-query-limits-for-the-graphql-api.
"""

import contextlib
import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Generic, TypeVar

import msgspec

from gros_agent.errors import SourceError
from gros_agent.http import client as web
from gros_agent.http import repair
from gros_agent.http.client import Answer, Request, WebClient
from gros_agent.http.traffic import asked_wait, exhausted_wait, server_time
from gros_agent.runtime.decoding import decoder
from gros_agent.runtime.retry import PassingError, linear, repeat

log = logging.getLogger(__name__)

TRIES = 6
"""Tries of a query. Its page becomes smaller each time, from 100 items to one."""
BACKOFF = 0.5
"""Seconds before the second try, and as many more before each further try."""
SMALL = 25
"""Pages of at most this many items are quartered for the next try. Larger ones are halved."""
BUDGET = "graphql"
_NEW_ID, _OLD_ID = "fullDatabaseId", "databaseId"
_TOO_MUCH = (
    "timeout",
    "timed out",
    "something went wrong",
    "resource limits",
    "couldn't respond to your request in time",
)
_NOTHING = msgspec.Raw(b"null")
_FORBIDDEN = frozenset({"FORBIDDEN", "INSUFFICIENT_SCOPES"})
_TOO_MUCH_TYPES = frozenset({"RESOURCE_LIMITS_EXCEEDED", "MAX_NODE_LIMIT_EXCEEDED", "SERVICE_UNAVAILABLE"})

T = TypeVar("T")


class _Fault(msgspec.Struct):
    message: str
    type: str = ""
    path: list[str | int] | None = None


class _Budget(msgspec.Struct, rename="camel"):
    cost: int = 0
    reset_at: datetime | None = None


class _Costs(msgspec.Struct, rename="camel"):
    rate_limit: _Budget | None = None


class _Reply(msgspec.Struct):
    data: msgspec.Raw = msgspec.Raw(b"null")
    errors: list[_Fault] = []


class QueryRefused(SourceError):  # noqa: N818 (what happened to a query)
    """A query that was refused. ``lists`` are the fields of the repository that the credentials may not read."""

    def __init__(self, message: str, hint: str, lists: Sequence[str]) -> None:
        super().__init__(message, hint)
        self.lists = lists


@dataclass(frozen=True)
class Data(Generic[T]):
    """The data of a query, and the headers of the answer."""

    data: T
    headers: Mapping[str, str]


class GraphQL:
    """A GraphQL API.

    It counts the cost of its queries in points, and ``lost`` items: those that the API could not return, or not
    completely, while it returned the rest of their list.
    """

    def __init__(self, client: WebClient, url: str) -> None:
        self._client, self._url = client, url
        self._identifier = _NEW_ID
        self._sizes: dict[str, int] = {}
        self.cost = 0
        self.asked = 0
        self.lost = 0

    def ask(self, query: str, variables: Mapping[str, Any], kind: type[T]) -> Data[T]:
        """Send a query, and return its data as a type.

        A variable ``size`` is reduced while the server can't answer, and grows again with each answer. If the answer
        reports a rate limit, the query waits for its end. Items of lists that can't be returned are left out and
        counted as ``lost``. Raises :class:`SourceError` if anything else is missing.
        """
        request = self._request(query, variables)

        def ask() -> Data[T]:
            nonlocal request
            answer = self._client.ask(request, _Reply)
            self.asked += 1
            request, errors = answer.request, answer.value.errors
            if not errors:
                self._sizes[query] = 2 * _size(request)  # the next page may be lighter
                return Data(self._data(answer, kind), answer.headers)
            refusal = _refusal(self._url, errors)
            if self._is_older(errors):
                self._identifier = _OLD_ID
                request = self._request(query, variables)
                raise PassingError(refusal, 0)
            if any(map(_is_limit, errors)):
                self._wait(answer)
                raise PassingError(refusal, 0)  # the next request waits for the end of the limit
            if all(map(_is_too_much, errors)):
                request = _smaller(request)
                raise PassingError(refusal)
            if all(map(_is_of_an_item, errors)) and answer.value.data != _NOTHING:
                items = {tuple(error.path[: _place(error) + 1]) for error in errors if error.path}
                return Data(self._data(answer, kind, len(items)), answer.headers)
            raise refusal

        return repeat(
            ask,
            TRIES,
            lambda error: log.info("%s; trying again", error),
            lambda number: linear(number) * BACKOFF,
        )

    def _request(self, query: str, variables: Mapping[str, Any]) -> Request:
        size = variables.get("size")
        sized = {**variables, "size": min(size, self._sizes.get(query) or size)} if size else variables
        content = {"query": query.replace(_NEW_ID, self._identifier), "variables": sized}
        return Request("POST", self._url, content=content, budget=BUDGET, smaller=_smaller)

    def _wait(self, answer: Answer[_Reply]) -> None:
        """Hold back all queries until the end of the limit that an answer reports. Raises :class:`SourceError`."""
        told = _Costs()
        with contextlib.suppress(msgspec.MsgspecError):  # what came instead of data
            told = repair.decoded(bytes(answer.value.data), _Costs)
        reset = told.rate_limit and told.rate_limit.reset_at
        left = max(0.0, (reset - server_time(answer.headers)).total_seconds()) + 1 if reset else None
        waits = (asked_wait(answer.headers), exhausted_wait(answer.headers), left)
        wait = next((one for one in waits if one is not None), web.SECONDARY_LIMIT)
        longest = self._client.longest_wait
        if wait > longest:
            first = _refusal(self._url, answer.value.errors)
            raise SourceError(f"{first.message}; the server asks to wait {wait:.0f} s", "try again later")
        self._client.traffic.hold(BUDGET, wait)

    def _data(self, answer: Answer[_Reply], kind: type[T], lost: int = 0) -> T:
        """The data of an answer. ``lost`` is the number of its lost items; empty places in lists are left out."""
        content = bytes(answer.value.data)
        try:
            costs = repair.decoded(content, _Costs)
            if costs.rate_limit is not None:
                self.cost += costs.rate_limit.cost
            data, gaps = _decoded(content, kind)
        except msgspec.MsgspecError as error:
            raise SourceError(
                f"the answer of {self._url} could not be parsed: {error}", "check the address and the system's version"
            ) from None
        self.lost += max(lost, gaps)
        return data

    def _is_older(self, errors: Iterable[_Fault]) -> bool:
        """Whether an Enterprise Server does not have the longer identifiers yet."""
        return self._identifier == _NEW_ID and any(f"'{_NEW_ID}'" in error.message for error in errors)


def _is_limit(error: _Fault) -> bool:
    """Whether a query exceeded the rate limit. It may be sent again after its end."""
    return error.type in {"RATE_LIMITED", "RATE_LIMIT"} or "rate limit" in error.message.lower()


def _is_too_much(error: _Fault) -> bool:
    """Whether a query was too expensive for the server, at this moment or in general."""
    return error.type in _TOO_MUCH_TYPES or any(words in error.message.lower() for words in _TOO_MUCH)


def _is_of_an_item(error: _Fault) -> bool:
    """Whether an error concerns one item of a list, which is then missing or incomplete."""
    return _place(error) >= 0


def _place(error: _Fault) -> int:
    """The position of the innermost list item in the path of an error; -1 if there is no list item."""
    return max((number for number, one in enumerate(error.path or ()) if isinstance(one, int)), default=-1)


def _decoded(content: bytes, kind: type[T]) -> tuple[T, int]:
    """Decode JSON as a type. If that fails, leave out empty places of lists, and return their number."""
    try:
        return repair.decoded(content, kind), 0
    except msgspec.ValidationError:
        whole, gaps = _without_gaps(repair.decoded(content, object))
        return decoder(kind).decode(msgspec.json.encode(whole)), gaps


def _without_gaps(content: object) -> tuple[Any, int]:
    """The content of JSON without empty places of lists, and their number."""
    if isinstance(content, dict):
        found = {name: _without_gaps(value) for name, value in content.items()}
        return {name: value for name, (value, _) in found.items()}, sum(gaps for _, gaps in found.values())
    if isinstance(content, list):
        items = [_without_gaps(one) for one in content if one is not None]
        return [one for one, _ in items], sum(gaps for _, gaps in items) + content.count(None)
    return content, 0


def _size(request: Request) -> int:
    content: Any = request.content
    size: int = content["variables"].get("size") or 0
    return size


def _smaller(request: Request) -> Request:
    """A query for half of its items, then for a quarter of those, down to one."""
    size, content = _size(request), request.content
    if size <= 1 or not isinstance(content, dict):
        return request
    less = max(1, size // (2 if size > SMALL else 4))
    return replace(request, content={**content, "variables": {**content["variables"], "size": less}})


def _refusal(url: str, errors: list[_Fault]) -> QueryRefused:
    words = _words(url, errors)
    paths = [[str(one) for one in error.path or ()] for error in errors]
    if not all(
        error.type in _FORBIDDEN and path[:1] == ["repository"] and path[1:]
        for error, path in zip(errors, paths, strict=True)
    ):
        return QueryRefused(words.message, words.hint, ())
    return QueryRefused(words.message, words.hint, tuple(dict.fromkeys(path[1] for path in paths)))


def _words(url: str, errors: list[_Fault]) -> SourceError:
    first = errors[0]
    message = f"{url} refuses a query: {first.message}"
    if first.type == "NOT_FOUND":
        return SourceError(message, "check the address; it may have moved, or be private and hidden from this token")
    if first.type in _FORBIDDEN or "sso" in first.message.lower():
        return SourceError(message, "the token may not do this: widen its scopes, or authorise it for the organisation")
    return SourceError(message, "try again later; check the system's version")

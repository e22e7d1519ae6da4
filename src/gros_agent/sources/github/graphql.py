"""Sends queries to a GraphQL API, and knows its ways to refuse one.

A query that GitHub can't answer within ten seconds is ended by it; a smaller page may do.
See https://docs.github.com/en/graphql/overview/rate-limits-and-query-limits-for-the-graphql-api.
"""

import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import msgspec

from gros_agent.errors import SourceError
from gros_agent.http.client import Answer, Request, WebClient

log = logging.getLogger(__name__)

TRIES = 5
SMALLEST = 5
"""Items of the smallest page that is tried."""
_NEW_ID, _OLD_ID = "fullDatabaseId", "databaseId"
_TOO_MUCH = (
    "timeout",
    "timed out",
    "something went wrong",
    "resource limits",
    "couldn't respond to your request in time",
)

T = TypeVar("T")


class _Fault(msgspec.Struct):
    message: str
    type: str = ""
    path: list[str | int] | None = None


class _Budget(msgspec.Struct):
    cost: int
    remaining: int


class _Costs(msgspec.Struct, rename="camel"):
    rate_limit: _Budget | None = None


class _Reply(msgspec.Struct):
    data: msgspec.Raw = msgspec.Raw(b"null")
    errors: list[_Fault] = []


@dataclass(frozen=True)
class Data(Generic[T]):
    """What a query asked for, and the headers of the answer."""

    data: T
    headers: Mapping[str, str]


class GraphQL:
    """An API at some address. It counts what its queries cost, in points."""

    def __init__(self, client: WebClient, url: str) -> None:
        self._client, self._url = client, url
        self._identifier = _NEW_ID
        self.cost = 0
        self.asked = 0

    def ask(self, query: str, variables: Mapping[str, Any], kind: type[T]) -> Data[T]:
        """Send a query, and return its data as some type.

        A variable ``size`` becomes smaller with each try. Raises :class:`SourceError`; nothing is returned where a
        part is missing.
        """
        size = variables.get("size")
        for number in range(TRIES):
            smaller = {"size": max(SMALLEST, size >> number)} if size else {}
            text = query.replace(_NEW_ID, self._identifier)
            content = {"query": text, "variables": {**variables, **smaller}}
            answer = self._client.ask(Request("POST", self._url, content=content, budget="graphql"), _Reply)
            self.asked += 1
            if not answer.value.errors:
                return Data(self._data(answer, kind), answer.headers)
            if self._is_older(answer.value.errors):
                self._identifier = _OLD_ID
            elif not _may_work_again(answer.value.errors):
                break
            log.info("%s: %s; trying again", self._url, answer.value.errors[0].message)
        raise _refusal(self._url, answer.value.errors)

    def _data(self, answer: Answer[_Reply], kind: type[T]) -> T:
        content = answer.value.data
        try:
            costs = msgspec.json.decode(content, type=_Costs)
            if costs.rate_limit is not None:
                self.cost += costs.rate_limit.cost
            return msgspec.json.decode(content, type=kind)
        except msgspec.MsgspecError as error:
            raise SourceError(
                f"the answer of {self._url} makes no sense: {error}", "check the address and the system's version"
            ) from None

    def _is_older(self, errors: Iterable[_Fault]) -> bool:
        """Whether an Enterprise Server does not know the longer identifiers yet."""
        return self._identifier == _NEW_ID and any(f"'{_NEW_ID}'" in error.message for error in errors)


def _may_work_again(errors: Iterable[_Fault]) -> bool:
    return all(
        error.type in {"RATE_LIMITED", "RESOURCE_LIMITS_EXCEEDED", "MAX_NODE_LIMIT_EXCEEDED", "SERVICE_UNAVAILABLE"}
        or any(words in error.message.lower() for words in _TOO_MUCH)
        for error in errors
    )


def _refusal(url: str, errors: list[_Fault]) -> SourceError:
    first = errors[0]
    message = f"{url} refuses a query: {first.message}"
    if first.type == "NOT_FOUND":
        return SourceError(message, "check the address; it may have moved, or be private and hidden from this token")
    if first.type in {"FORBIDDEN", "INSUFFICIENT_SCOPES"} or "sso" in first.message.lower():
        return SourceError(message, "the token may not do this: widen its scopes, or authorise it for the organisation")
    return SourceError(message, "try again later; check the system's version")

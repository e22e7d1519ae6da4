"""Faults that are in what an answer says: a limit in the content of a 200, and values that no table takes.

The others are statuses and connections (:mod:`support.replay`).
"""

import json
import re
from collections.abc import Mapping

from support.replay import Asked, Fault
from support.web import Answer

_SIZES = ("per_page", "$top", "$maxPageSize", "ps", "limit", "maxResults")
_MOMENT = re.compile(rb'"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:.]+(?:Z|[+-][0-9:]+)?"')
_PROSE = re.compile(
    rb'("(?:title|body|description|content|comment|System\.Title)": ?")(?=[^"])(?!(?:un)?approved this merge request)'
)


def page_size(asked: Asked) -> int | None:
    """How many items a request asks for, if it says so."""
    if asked.method == "POST" and asked.content:
        size: int | None = asked.json.get("variables", {}).get("size") or asked.json.get("maxResults")
        return size
    return next((int(asked.query[name]) for name in _SIZES if name in asked.query), None)


def too_large() -> Fault:
    """What a proxy answers for a server that needs too long for a page: until it is half of the first one."""
    first: dict[str, int] = {}

    def fault(asked: Asked, honest: Answer) -> Answer:
        size = page_size(asked)
        if size is None or 2 * size <= first.setdefault(asked.route, size) or size == 1:
            return honest
        return 502, {"Content-Type": "application/json"}, b'{"message": "Something went wrong"}'

    return fault


def limited(_asked: Asked, _honest: Answer) -> Answer:
    """A limit that only the content tells, as GitHub's GraphQL API does."""
    errors = [{"type": "RATE_LIMITED", "message": "API rate limit exceeded for user ID 1."}]
    content = json.dumps({"data": None, "errors": errors}).encode()
    return 200, {"Content-Type": "application/json", "Retry-After": "0"}, content


def nested(_asked: Asked, _honest: Answer) -> Answer:
    """Lists in lists, deeper than any parser goes."""
    return 200, {"Content-Type": "application/json"}, b"[" * 200_000 + b"]" * 200_000


def _with(pattern: re.Pattern[bytes], replacement: bytes, count: int = 0) -> Fault:
    def fault(_asked: Asked, honest: Answer) -> Answer:
        status, headers, content = honest
        return status, headers, pattern.sub(lambda found: found.expand(replacement), content, count=count)

    return fault


IN_CONTENT: Mapping[str, Fault] = {
    "NUL": _with(_PROSE, rb"\1\\u0000"),
    "half surrogate": _with(_PROSE, rb"\1\\ud800"),
    "no UTF-8": _with(_PROSE, b"\\1\xff"),
}
"""Texts that no database takes: each row is there all the same."""

DATES: Mapping[str, Fault] = {
    "year 99999": _with(_MOMENT, b'"99999-12-31T00:00:00Z"', count=1),
    "year 0": _with(_MOMENT, b'"0000-00-00T00:00:00Z"', count=1),
    "last hour of 9999": _with(_MOMENT, b'"9999-12-31T23:59:59-12:00"', count=1),
    "first hour of 1": _with(_MOMENT, b'"0001-01-01T00:00:00+14:00"', count=1),
}
"""Moments that the calendar or another time zone has not."""

LIMITS: Mapping[str, Fault] = {"limit in a 200": limited}
NESTED: Mapping[str, Fault] = {"nesting": nested}

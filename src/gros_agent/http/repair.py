"""Reads JSON of systems that produce invalid Unicode and impossible dates.

One such value in one comment would make its whole page unreadable. Invalid values are replaced, and only if an answer
can't be decoded unchanged.
"""

import re
from typing import TypeVar

import msgspec

from gros_agent.runtime.decoding import decoder

T = TypeVar("T")

_ESCAPE = re.compile(
    rb"\\(?:(?P<pair>u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2})|(?P<half>u[dD][89a-fA-F][0-9a-fA-F]{2})|.)",
    re.DOTALL,
)
_REPLACEMENT = rb"\ufffd"
_MOMENT = re.compile(rb'"[+-]?(?P<year>[0-9]{4,9})-[0-9]{2}-[0-9]{2}[T ][0-9:.]{5,16}(?:Z|[+-][0-9]{2}:?[0-9]{2})?"')
_FIRST, _LAST = b'"1000-01-01T00:00:00Z"', b'"9999-12-31T23:59:59Z"'
"""The earliest and latest moments that the tables can hold."""


def decoded(content: bytes, kind: type[T]) -> T:
    """Decode JSON as a type. Raises :class:`msgspec.DecodeError`, or RecursionError if it is nested too deeply."""
    try:
        return decoder(kind).decode(content)
    except (msgspec.DecodeError, UnicodeDecodeError):
        repaired = _MOMENT.sub(_bounded, _unicode(content))
        if repaired == content:
            raise
        return decoder(kind).decode(repaired)


def _unicode(content: bytes) -> bytes:
    """The JSON without invalid UTF-8, and without unpaired surrogates."""
    valid = content.decode("utf-8", "replace").encode()
    return _ESCAPE.sub(lambda found: _REPLACEMENT if found["half"] else found[0], valid)


def _bounded(found: re.Match[bytes]) -> bytes:
    year = int(found["year"])
    if not year:
        return _FIRST
    return found[0] if len(found["year"]) == len("YYYY") else _LAST

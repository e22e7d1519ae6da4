"""Decoders that several threads may ask for.

msgspec (tried: 0.19 to 0.22) builds what it knows of a type step by step, and keeps it with the type from the first
step on. A thread that decodes a type while another one still builds it crashes the program. So each decoder is built
once, by one thread at a time; using it is safe. Whatever may run in several threads decodes by these.
"""

from threading import Lock
from typing import Any, TypeVar, cast

import msgspec

T = TypeVar("T")

_building = Lock()
_built: dict[Any, msgspec.json.Decoder[Any]] = {}


def decoder(kind: type[T]) -> msgspec.json.Decoder[T]:
    """The decoder of JSON as some type."""
    found = _built.get(kind)
    if found is None:
        with _building:
            found = _built.setdefault(kind, msgspec.json.Decoder(kind))
    return cast("msgspec.json.Decoder[T]", found)

"""JSON decoders that are safe to use from several threads.

msgspec (tried: 0.19 to 0.22) builds its information about a type step by step, and stores it with the type from the
first step on. If one thread decodes a type while another thread is still building it, the program crashes. So each
decoder is built once, by one thread at a time; using it is safe. Code that may run in several threads must use these
decoders.
"""

from threading import Lock
from typing import Any, TypeVar, cast

import msgspec

T = TypeVar("T")

_building = Lock()
_built: dict[Any, msgspec.json.Decoder[Any]] = {}


def decoder(kind: type[T]) -> msgspec.json.Decoder[T]:
    """The decoder of JSON to a type."""
    found = _built.get(kind)
    if found is None:
        with _building:
            found = _built.setdefault(kind, msgspec.json.Decoder(kind))
    return cast("msgspec.json.Decoder[T]", found)

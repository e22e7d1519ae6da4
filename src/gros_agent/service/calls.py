"""Declares a call of the web interface. Its route and its description are made from this declaration."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

Handler = Callable[[Request], Awaitable[Response]]


@dataclass(frozen=True)
class Reply:
    """An answer of a call: its meaning, and its content as a type of :mod:`.responses` or as a media type."""

    meaning: str
    content: type | str


@dataclass(frozen=True)
class Parameter:
    """A parameter of the query or, with ``in_path``, of the path. ``schema`` is its JSON Schema."""

    name: str
    meaning: str
    schema: Mapping[str, Any]
    in_path: bool = False


@dataclass(frozen=True, kw_only=True)
class Call:
    """One path with one method.

    An ``is_open`` call is answered to everybody, without checking the host name or token.
    """

    path: str
    handler: Handler
    summary: str
    replies: Mapping[int, Reply]
    method: str = "GET"
    parameters: tuple[Parameter, ...] = ()
    is_open: bool = False
    about: str = field(default="")

"""A call of the web interface as it is declared: its route and its description are made from the same words."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

Handler = Callable[[Request], Awaitable[Response]]


@dataclass(frozen=True)
class Reply:
    """What a call answers: in words, and either as a type of :mod:`.responses` or as another kind of content."""

    meaning: str
    content: type | str


@dataclass(frozen=True)
class Parameter:
    """A part of a query or, where ``in_path``, of a path; ``schema`` is its JSON Schema."""

    name: str
    meaning: str
    schema: Mapping[str, Any]
    in_path: bool = False


@dataclass(frozen=True, kw_only=True)
class Call:
    """One path with one method. ``is_open``: whoever asks, without a host name or a token."""

    path: str
    handler: Handler
    summary: str
    replies: Mapping[int, Reply]
    method: str = "GET"
    parameters: tuple[Parameter, ...] = ()
    is_open: bool = False
    about: str = field(default="")

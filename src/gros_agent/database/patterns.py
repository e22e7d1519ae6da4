"""Decodes rows, and checks the pattern of each distinct value once.

msgspec checks patterns value by value, which takes most of the time of decoding. But few values of a table are unlike:
commits stand beside each of their files, and numbers and people repeat. So rows are decoded to types without patterns,
and what a column has not had before is checked against the field's own type.
"""

from functools import cache
from operator import attrgetter
from typing import TYPE_CHECKING, Annotated, Any, Union, get_args, get_origin

import msgspec
from msgspec import UNSET, Meta

from gros_agent.rows import Row
from gros_agent.runtime.decoding import decoder

if TYPE_CHECKING:
    from collections.abc import Callable

_MOST = 20_000
"""How many values of a column are remembered."""


class PatternedRows:
    """Decodes the rows of one table."""

    def __init__(self, row: type[Row]) -> None:
        self._decode = decoder(without_patterns(row)).decode_lines
        self._whole = decoder(row).decode_lines
        self._columns: list[tuple[Callable[[Any], Any], Any, set[Any]]] = [
            (attrgetter(one.name), _list_of(one.type), {UNSET, one.default})
            for one in msgspec.structs.fields(row)
            if _plain(one.type) != one.type
        ]

    def decode(self, lines: bytes) -> list[Any]:
        """Decode JSON objects that are separated by newlines. Rows have the attributes of the row type.

        Raises :class:`msgspec.ValidationError` if a row does not match its type, and :class:`msgspec.DecodeError` or
        :class:`UnicodeDecodeError` if the lines are no such objects.
        """
        rows = self._decode(lines)
        for value_of, kind, known in self._columns:
            new = set(map(value_of, rows)) - known
            if not new:
                continue
            try:
                msgspec.convert(list(new), kind)
            except msgspec.ValidationError:
                self._whole(lines)  # names the row and the field
                raise
            if len(known) + len(new) > _MOST:
                known.clear()
            known.update(new)
        return rows


@cache
def without_patterns(row: type[Row]) -> type[msgspec.Struct]:
    """The type of the same rows, without the patterns of their texts."""
    fields = [_field(one) for one in msgspec.structs.fields(row)]
    # rows have no references to each other: the garbage collector need not look at them
    return msgspec.defstruct(row.__name__, fields, kw_only=True, forbid_unknown_fields=True, gc=False)


def _field(one: msgspec.structs.FieldInfo) -> Any:  # noqa: ANN401 (as defstruct takes them)
    plain = _plain(one.type)
    return (one.name, plain) if one.required else (one.name, plain, one.default)


def _list_of(kind: Any) -> Any:  # noqa: ANN401 (a type)
    several: Any = list
    return several[kind]


def _plain(kind: Any) -> Any:  # noqa: ANN401 (a type)
    if get_origin(kind) is Annotated:
        inner, *metas = get_args(kind)
        plain = _plain(inner)
        for meta in metas:
            plain = Annotated[plain, _unpatterned(meta)]
        return plain
    parts = get_args(kind)
    return Union[tuple(map(_plain, parts))] if parts else kind  # noqa: UP007 (parts are known when it runs)


def _unpatterned(meta: Meta) -> Meta:
    if meta.pattern is None:
        return meta
    kept = {name: getattr(meta, name) for name in ("ge", "gt", "le", "lt", "min_length", "max_length")}
    return Meta(**{name: value for name, value in kept.items() if value is not None})

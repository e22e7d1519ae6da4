"""Decodes rows, and checks the pattern of each distinct value once.

msgspec checks patterns value by value, which takes most of the time of decoding. But few values of a table are unlike:
commits stand beside each of their files, and numbers and people repeat. So rows are decoded to types without patterns.
Then the distinct values of a column are checked, those of the simplest patterns all at once.
"""

import re
from functools import cache
from operator import attrgetter
from typing import Annotated, Any, Union, get_args, get_origin

import msgspec
from msgspec import UNSET, Meta

from gros_agent.database.columns import columns
from gros_agent.rows import Row
from gros_agent.runtime.decoding import decoder

_MOST = 20_000
"""How many values of a column are remembered."""
_CHARACTERS = re.compile(r"\^(\[[^\[\]]+\])\+\$")
"""A pattern of at least one of some characters."""


class PatternedRows:
    """Decodes the rows of one table."""

    def __init__(self, row: type[Row]) -> None:
        self._decode = decoder(_list_of(without_patterns(row))).decode
        self._whole = decoder(_list_of(row)).decode
        self._columns = [_Column(row, one) for one in msgspec.structs.fields(row) if _plain(one.type) != one.type]

    def decode(self, rows: bytes) -> list[Any]:
        """Decode a JSON array. Rows have the attributes of the row type.

        Raises :class:`msgspec.ValidationError` if a row does not match its type, and :class:`msgspec.DecodeError` or
        :class:`UnicodeDecodeError` if it is no such array.
        """
        found: list[Any] = self._decode(rows)
        try:
            for one in self._columns:
                one.check(found)
        except msgspec.ValidationError:
            self._whole(rows)  # names the row and the field
            raise
        return found


class _Column:
    """Checks the values of a field with a pattern."""

    def __init__(self, row: type[Row], field: msgspec.structs.FieldInfo) -> None:
        self._name = field.name
        self._value_of = attrgetter(field.name)
        self._kind = _list_of(field.type)
        self._kept = {UNSET, field.default}
        self._known = set(self._kept)
        pattern = next(one.pattern for one in columns(row) if one.name == field.name)
        match = _CHARACTERS.fullmatch(pattern)
        self._characters = re.compile(f"{match[1]}*") if match else None
        self._strict = re.compile(pattern.replace("$", r"\Z"))

    def check(self, rows: list[Any]) -> None:
        """Raise :class:`msgspec.ValidationError` if a value does not match."""
        new = set(map(self._value_of, rows)) - self._known
        if not new or (self._characters and "" not in new and self._characters.fullmatch("".join(new))):
            return
        msgspec.convert(list(new), self._kind)
        # to msgspec, as to Python, $ is also before a line break at the end
        if not all(self._strict.search(one) for one in new if isinstance(one, str)):
            raise msgspec.ValidationError(f"a value of {self._name} ends with a line break")
        if len(self._known) + len(new) > _MOST:
            self._known = set(self._kept)
        self._known |= new


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

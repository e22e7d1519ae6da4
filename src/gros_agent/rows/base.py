"""The base class of rows, the types of their fields, and their JSON Schema."""

import re
from collections.abc import Callable, Mapping, Sequence
from functools import cache, lru_cache
from operator import attrgetter
from typing import Annotated, Any, ClassVar, Literal, Self, get_args, get_type_hints

import msgspec
from msgspec import Meta

NOBODY = "0"
"""The value for a missing person, date or name."""

Kind = Literal["identifier", "count"]
"""The meaning of a whole number: an identifier of a thing, or a count or size."""


def _number(kind: Kind, pattern: str, description: str) -> Meta:
    return Meta(pattern=pattern, description=description, extra={"number": kind})


def unit(name: str) -> Meta:
    """The metadata of a number in this unit, such as ``bytes``."""
    return Meta(extra={"unit": name})


RepoName = Annotated[str, Meta(max_length=1000, description="Name of the source.")]
Version = Annotated[str, Meta(pattern="^[a-f0-9]+$", max_length=100, description="Commit hash or revision number.")]
Number = Annotated[str, _number("count", "^[0-9]+$", "A whole number.")]
Lines = Annotated[Number, unit("lines")]
Bytes = Annotated[Number, unit("bytes")]
Files = Annotated[Number, unit("files")]
People = Annotated[Number, unit("people")]
Labels = Annotated[Number, unit("labels")]
Identifier = Annotated[str, _number("identifier", "^[0-9]+$", "A whole number that names a thing.")]
JsonIdentifier = Annotated[
    int, Meta(ge=0, description="A JSON number that names a thing.", extra={"number": "identifier"})
]
Flag = Annotated[str, Meta(pattern="^[01]$", description="1 or 0.")]
Encrypted = Annotated[str, Meta(pattern="^[01]$", description="Whether the personal fields hold pseudonyms: 1 or 0.")]
_DAY = "[1-9][0-9]{3}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])"
_TIME = "([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]"
Date = Annotated[str, Meta(pattern=f"^{_DAY}$", description="Local date.")]
DateOrNone = Annotated[str, Meta(pattern=f"^(0|{_DAY})$", description="Local date, or 0 if it is not known.")]
_LOCAL = "Local time, of the zone that the batch's manifest (.batch.json) names as time_zone"
Moment = Annotated[str, Meta(pattern=f"^{_DAY} {_TIME}$", description=_LOCAL + ".")]
MomentOrNone = Annotated[str, Meta(pattern=f"^(0|{_DAY} {_TIME})$", description=_LOCAL + ", or 0 if it is not known.")]
Integer = Annotated[str, _number("count", "^-?[0-9]+$", "A whole number.")]
Decimal = Annotated[str, Meta(pattern=r"^[0-9]+(\.[0-9]+)?$", description="A number.")]
Points = Annotated[Decimal, unit("story points")]
Account = Annotated[str, Meta(max_length=64, description="Account name.")]
Name = Annotated[str, Meta(max_length=500, description="Name of a person.")]
Email = Annotated[str, Meta(max_length=100, pattern="^0$|^[0-9a-f]{64}$|@")]


class Row(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """A row of a table.

    A subclass declares its ``table`` (the file without ``.json``), the ``key_fields`` that identify a row, the
    ``personal`` fields (pseudonymised before they are written), the ``free_text`` fields (written unchanged, although
    they may name people), and whether the table is a ``snapshot``, complete each time; in one that ``is_partial``,
    earlier rows stay true. A subclass with personal fields also has a field ``encrypted``. The file of an ``is_single``
    table has one object instead of an array, and is missing if there is no row.

    A batch has one row per key, since the importer drops the whole file if a key appears twice. If the importer's table
    has no key, the fields that it compares are used here; if it compares none, any rows are allowed. :meth:`one_of`
    decides which of several rows is written, and ``rule`` explains it in words: the row that ``changed`` last, if a
    field has that moment, otherwise the first. ``folded`` fields are compared in the form of :func:`folded`. Rows with
    the same first ``grouped`` fields of the key come one after another, and those values never appear again later.

    The importer looks up repositories, people and ``named`` things without surrounding blanks, and never finds names
    that it stored with blanks: repositories and people are duplicated with each import, and a single such metric makes
    it drop the file. The list of sources and the pseudonymiser remove the blanks for repositories and people, the
    writer for the others.
    """

    table: ClassVar[str]
    key_fields: ClassVar[tuple[str, ...]]
    folded: ClassVar[tuple[str, ...]] = ("repo_name",)
    named: ClassVar[tuple[str, ...]] = ()
    grouped: ClassVar[int] = 0
    changed: ClassVar[str] = ""
    rule: ClassVar[str] = ""
    personal: ClassVar[tuple[str, ...]] = ()
    free_text: ClassVar[tuple[str, ...]] = ()
    snapshot: ClassVar[bool] = False
    is_partial: ClassVar[bool] = False
    is_single: ClassVar[bool] = False

    def one_of(self, later: Self) -> Self:
        """Which of this row and a ``later`` one with the same key is written."""
        if not self.changed:
            return self
        return self if getattr(self, self.changed) > getattr(later, self.changed) else later


LARGEST_INTEGER = 2**31 - 1
"""The largest whole number that the existing importer can read (``java.lang.Integer``)."""


_FOLDED_NAMES = 10_000
_BLANKS = "".join(map(chr, range(ord(" ") + 1)))


def trimmed(text: str) -> str:
    """A name without surrounding blanks, as defined by ``java.lang.String.trim``."""
    return text.strip(_BLANKS)


def folded(text: str) -> str:
    """A name as the importer compares it for repositories and people: without case and surrounding blanks."""
    return trimmed(text).upper()


def key_of(row: type[Row], names: Sequence[str] = ()) -> Callable[[Row], Any]:
    """Return a function that computes the key of a row, or the values of ``names``, in a form for comparison."""
    wanted = names or row.key_fields
    if not wanted:
        return lambda _: ()
    values: Callable[[Row], Any] = attrgetter(*wanted)
    places = [place for place, name in enumerate(wanted) if name in row.folded]
    if not places:
        return values
    fold = lru_cache(_FOLDED_NAMES)(folded)
    if len(wanted) == 1:
        return lambda one: fold(values(one))

    def key(one: Row) -> Any:  # noqa: ANN401 (a tuple of as many texts as there are fields)
        found = list(values(one))
        for place in places:
            found[place] = fold(found[place])
        return tuple(found)

    return key


@cache
def json_schema(row: type[Row]) -> Mapping[str, Any]:
    """The JSON Schema (2020-12) of one row of a table."""
    schema = msgspec.json.schema(row)
    definition: Mapping[str, Any] = schema["$defs"][row.__name__]
    return definition


def is_valid(row: type[Row], name: str, text: str) -> bool:
    """Whether a text matches a field's pattern. An address that was cut may no longer be valid."""
    content = json_schema(row)["properties"][name]
    return any(re.search(one.get("pattern", ""), text) for one in content.get("anyOf", (content,)))


@cache
def length_limits(row: type[Row]) -> Mapping[str, int]:
    """The longest text of each field in UTF-16 code units, for fields with a limit that can be shortened.

    The importer is a Java program and counts in these units.
    """
    properties = json_schema(row)["properties"]
    return {
        name: one["maxLength"]
        for name, content in properties.items()
        for one in content.get("anyOf", (content,))
        if "maxLength" in one and name != "version_id"
    }


@cache
def numbers(row: type[Row]) -> Mapping[str, Kind]:
    """The fields with whole numbers, nearly all of them as text, and the kind of each number."""
    return _extras(row, "number")


@cache
def units(row: type[Row]) -> Mapping[str, str]:
    """The units of the numbers that have one, by field: ``bytes``, ``lines``, ``story points``."""
    return _extras(row, "unit")


def _extras(row: type[Row], kind: str) -> dict[str, Any]:
    """The values of one kind of further metadata, by field."""
    found: dict[str, Any] = {}
    for name, hint in get_type_hints(row, include_extras=True).items():
        for meta in _metas(hint):
            if meta.extra and kind in meta.extra:
                found[name] = meta.extra[kind]
    return found


def _metas(hint: Any) -> list[Meta]:  # noqa: ANN401 (any type)
    """The metadata of a type, also within unions, in reverse order of precedence."""
    inner = [meta for one in get_args(hint) if not isinstance(one, Meta) for meta in _metas(one)]
    return [*inner, *(one for one in getattr(hint, "__metadata__", ()) if isinstance(one, Meta))]

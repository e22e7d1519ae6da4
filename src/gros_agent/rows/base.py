"""What a row is, the types of its fields, and its JSON Schema."""

import re
from collections.abc import Callable, Mapping, Sequence
from functools import cache, lru_cache
from operator import attrgetter
from typing import Annotated, Any, ClassVar, Literal, Self, get_args, get_type_hints

import msgspec
from msgspec import Meta

NOBODY = "0"
"""Stands for a missing person, date or name."""

Kind = Literal["identifier", "count"]
"""What a whole number is: names a thing, or tells how many or how large."""


def _number(kind: Kind, pattern: str, description: str) -> Meta:
    return Meta(pattern=pattern, description=description, extra={"number": kind})


RepoName = Annotated[str, Meta(max_length=1000, description="Name of the source.")]
Version = Annotated[str, Meta(pattern="^[a-f0-9]+$", max_length=100, description="Commit hash or revision number.")]
Number = Annotated[str, _number("count", "^[0-9]+$", "A whole number.")]
Identifier = Annotated[str, _number("identifier", "^[0-9]+$", "A whole number that names a thing.")]
Flag = Annotated[str, Meta(pattern="^[01]$", description="1 or 0.")]
Encrypted = Annotated[str, Meta(pattern="^[01]$", description="Whether the personal fields hold pseudonyms: 1 or 0.")]
_DAY = "[1-9][0-9]{3}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])"
_TIME = "([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]"
Date = Annotated[str, Meta(pattern=f"^{_DAY}$", description="Local date.")]
_LOCAL = "Local time, of the zone that the batch's manifest (.batch.json) names as time_zone"
Moment = Annotated[str, Meta(pattern=f"^{_DAY} {_TIME}$", description=_LOCAL + ".")]
MomentOrNone = Annotated[str, Meta(pattern=f"^(0|{_DAY} {_TIME})$", description=_LOCAL + ", or 0 if it is not known.")]
Integer = Annotated[str, _number("count", "^-?[0-9]+$", "A whole number.")]
Decimal = Annotated[str, Meta(pattern=r"^[0-9]+(\.[0-9]+)?$", description="A number.")]
Account = Annotated[str, Meta(max_length=64, description="Account name.")]
Name = Annotated[str, Meta(max_length=500, description="Name of a person.")]
Email = Annotated[str, Meta(max_length=100, pattern="^0$|^[0-9a-f]{64}$|@")]


class Row(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """A row of some table.

    A subclass names its ``table`` (the file without ``.json``), the fields that are its ``key``, those that are
    ``personal`` (pseudonymised before they are written), those that are ``free_text`` (people can be named in them,
    and they are written as they are), and whether the table is a ``snapshot``, whole each time. One with personal
    fields has a field ``encrypted`` too. The file of a table that ``is_single`` holds one object instead of an array of
    them, and is missing where there is none.

    A batch has one row for each key, since the importer loses the whole file where one stands twice. Where its table
    has no key, the key here are the fields that it compares, and where it compares none, any rows may come.
    :meth:`one_of` says which of several rows is written, and ``rule`` says it in words: the one that ``changed`` last,
    where a field has that moment, else the first. Fields that are ``folded`` are compared as :func:`folded` has them.
    The first ``grouped`` fields of a key are the same for rows that come one after another, and never come again later.

    The importer looks for repositories, people and what is ``named`` without the blanks around their names, and never
    finds again what it stored with them: repositories and people double each time, one metric loses the file. The list
    of sources and the pseudonymiser leave those of repositories and people away, the writer those of the others.
    """

    table: ClassVar[str]
    key: ClassVar[tuple[str, ...]]
    folded: ClassVar[tuple[str, ...]] = ("repo_name",)
    named: ClassVar[tuple[str, ...]] = ()
    grouped: ClassVar[int] = 0
    changed: ClassVar[str] = ""
    rule: ClassVar[str] = ""
    personal: ClassVar[tuple[str, ...]] = ()
    free_text: ClassVar[tuple[str, ...]] = ()
    snapshot: ClassVar[bool] = False
    is_single: ClassVar[bool] = False

    def one_of(self, later: Self) -> Self:
        """Which of this row and a ``later`` one with the same key is to be written."""
        if not self.changed:
            return self
        return self if getattr(self, self.changed) > getattr(later, self.changed) else later


LARGEST_INTEGER = 2**31 - 1
"""What the existing importer can read into a whole number (``java.lang.Integer``)."""


_FOLDED_NAMES = 10_000
_BLANKS = "".join(map(chr, range(ord(" ") + 1)))


def trimmed(text: str) -> str:
    """A name without the blanks around it, which are those of ``java.lang.String.trim``."""
    return text.strip(_BLANKS)


def folded(text: str) -> str:
    """A name as the importer compares those of repositories and people: without case, and blanks around it."""
    return trimmed(text).upper()


def key_of(row: type[Row], names: Sequence[str] = ()) -> Callable[[Row], Any]:
    """A function that gives the key of a row, or these fields of it, in a form in which equal ones are equal."""
    wanted = names or row.key
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
    """Whether a text is what a field's pattern wants: of an address, what is left may be none once it was cut."""
    content = json_schema(row)["properties"][name]
    return any(re.search(one.get("pattern", ""), text) for one in content.get("anyOf", (content,)))


@cache
def length_limits(row: type[Row]) -> Mapping[str, int]:
    """Field → longest text in UTF-16 code units, for the fields that have a limit and can be shortened to it.

    The importer is a Java program and counts so.
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
    """The fields that hold whole numbers as text, and what kind of number each is."""
    found: dict[str, Kind] = {}
    for name, hint in get_type_hints(row, include_extras=True).items():
        for meta in _metas(hint):
            if meta.extra and "number" in meta.extra:
                found[name] = meta.extra["number"]
    return found


def _metas(hint: Any) -> list[Meta]:  # noqa: ANN401 (any type)
    """What is said about a type, within unions too; what is said last comes first."""
    inner = [meta for one in get_args(hint) if not isinstance(one, Meta) for meta in _metas(one)]
    return [*inner, *(one for one in getattr(hint, "__metadata__", ()) if isinstance(one, Meta))]

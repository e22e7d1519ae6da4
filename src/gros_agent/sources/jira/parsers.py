"""Turns values of Jira's fields into values of columns: those that an issue has now, and those before a change.

Each type of the mapping has a parser for both. A change's item has the old value twice: ``from`` is an identifier, if
the field has some, and ``fromString`` is what people see. A parser returns None for no value, and raises
:class:`OddValueError` for a value of another kind.
"""

import math
import re
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

from gros_agent.rows import NOBODY
from gros_agent.sources.jira import sprints
from gros_agent.sources.jira.seen import Seen

Item = Mapping[str, Any]
"""An item of a change."""

_WHOLE = re.compile(r"\s*([0-9]{1,18})(?:[.,][0-9]*)?\s*")
_DECIMAL = re.compile(r"[0-9]{1,400}(?:[.,][0-9]{1,400})?(?:[eE][+-]?[0-9]{1,3})?")
_READY = re.compile(r"\s*<font\b[^<>]*>\s*<b>(.*?)</b>\s*</font>\s*", re.DOTALL | re.IGNORECASE)
_YES_OR_NO = {"yes": "1", "no": "-1"}
_RANKS = {"ranked higher": "1", "ranked lower": "-1"}


class OddValueError(ValueError):
    """A value is of another kind than its field has."""


def _text(value: object) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return str(value)
    raise OddValueError


def words(value: object, _seen: Seen) -> str | None:
    """A text as it is. Objects are not texts: they may be people."""
    return None if value is None else _text(value)


def whole(value: object, _seen: Seen) -> str | None:
    """A whole number of at least 0. What stands after a decimal point is cut off."""
    if value is None or value == "":
        return None
    found = _WHOLE.fullmatch(_text(value))
    if found is None:
        raise OddValueError
    return str(int(found[1]))


def identifier(value: object, _seen: Seen) -> str | None:
    """An identifier: a whole number."""
    if value is None or value == "":
        return None
    found = sprints.number(value)
    if found is None:
        raise OddValueError
    return found


def decimal(value: object, _seen: Seen) -> str | None:
    """A number of at least 0, with a decimal point. Changes may have a decimal comma."""
    if value is None or value == "":
        return None
    text = _text(value).strip()
    number = float(text.replace(",", ".")) if _DECIMAL.fullmatch(text) else math.inf
    if not math.isfinite(number):
        raise OddValueError
    text = f"{Decimal(repr(number)):f}"
    return text if "." in text else f"{text}.0"


def boolean(value: object, _seen: Seen) -> str | None:
    """1 for Yes and -1 for No."""
    if value is None or value == "":
        return None
    found = _YES_OR_NO.get(_text(value).strip().lower())
    if found is None:
        raise OddValueError
    return found


def date(value: object, seen: Seen) -> str | None:
    """A moment in local time, or a day as it is. Dates that can't be parsed are counted by themselves."""
    return None if value is None or value == "" else seen.dates.text(value)


def developer(value: object, seen: Seen) -> str | None:
    """The account name of a person."""
    found = seen.people.account(value)
    if found is None and isinstance(value, list):
        raise OddValueError
    return found


def sprint(value: object, seen: Seen) -> str | None:
    """The last of an issue's sprints."""
    listed = value if isinstance(value, list) else [] if value in (None, "") else [value]
    found = [seen.add_sprint(one) for one in listed]
    if None in found:
        seen.odd["sprint"] += found.count(None)
    known = [one for one in found if one is not None]
    return known[-1] if known else None


def id_list(value: object, _seen: Seen) -> str | None:
    """How many things are in a list."""
    if value is None:
        return NOBODY
    return str(len(value)) if isinstance(value, list) else "1"


def labels(value: object, _seen: Seen) -> str | None:
    """How many labels there are in a list or a text."""
    if isinstance(value, list):
        return str(len(value))
    return str(len(value.split())) if isinstance(value, str) else NOBODY


def flag(value: object, _seen: Seen) -> str | None:
    """1 for a list or a text that is not empty."""
    return "0" if value in (None, "", "[]", False) or value == [] else "1"


def issue_key(value: object, _seen: Seen) -> str | None:
    """The key of another issue."""
    found = value.get("key") if isinstance(value, Mapping) else value
    return None if found is None or found == "" else _text(found)


def ready_status(value: object, seen: Seen) -> str | None:
    """The identifier of an option whose name is written in colour."""
    if not isinstance(value, Mapping):
        if value is None or value == "":
            return None
        raise OddValueError
    found = identifier(value.get("id"), seen)
    if found is not None:
        _add_ready_status(found, value.get("value"), seen)
    return found


def _add_ready_status(found: str, shown: object, seen: Seen) -> None:
    text = shown if isinstance(shown, str) else ""
    colour = _READY.fullmatch(text)
    name = colour[1] if colour else text
    if name.strip():
        seen.add_ready_status(found, name.strip())


def project(value: object, seen: Seen) -> str | None:
    """The key of another project. None for the own one."""
    if value is None or value == "":
        return None
    found = seen.add_project(value)
    if found is None:
        raise OddValueError
    return None if found == seen.project else found


def no_value(_value: object, _seen: Seen) -> str | None:
    """No value: a rank is known of changes alone."""
    return None


NOW: Mapping[str, Callable[[Any, Seen], str | None]] = {
    **dict.fromkeys(("str", "unicode"), words),
    "int": whole,
    "identifier": identifier,
    "decimal": decimal,
    "boolean": boolean,
    "date": date,
    "developer": developer,
    "sprint": sprint,
    "id_list": id_list,
    "labels": labels,
    "flag": flag,
    "issue_key": issue_key,
    "ready_status": ready_status,
    "project": project,
    "rank": no_value,
}
"""For each type, what the value of a field means. Versions are kept as lists (:mod:`.states`)."""


def old_value(item: Item) -> object:
    """The old value of a field in a change: ``from``, or else ``fromString``."""
    return item.get("fromString") if item.get("from") is None else item["from"]


def _before_developer(item: Item, seen: Seen) -> str | None:
    return seen.people.before(item)


def _before_sprint(item: Item, _seen: Seen) -> str | None:
    return sprints.last(item.get("from"))


def _before_identifier(item: Item, seen: Seen) -> str | None:
    return identifier(item.get("from"), seen)


def _before_boolean(item: Item, seen: Seen) -> str | None:
    return boolean(item.get("fromString"), seen)


def _before_labels(item: Item, seen: Seen) -> str | None:
    return labels(item.get("fromString"), seen)


def _before_flag(item: Item, seen: Seen) -> str | None:
    is_set = flag(item.get("from"), seen) == "1" or flag(item.get("fromString"), seen) == "1"
    return "1" if is_set else "0"


def _before_issue_key(item: Item, seen: Seen) -> str | None:
    return issue_key(item.get("fromString"), seen)


def _before_ready_status(item: Item, seen: Seen) -> str | None:
    found = identifier(item.get("from"), seen)
    if found is not None:
        _add_ready_status(found, item.get("fromString"), seen)
    return found


def _before_project(item: Item, seen: Seen) -> str | None:
    identifier = item.get("from")
    found = seen.project_of(str(identifier)) if identifier else None
    return None if found == seen.project else found


def rank_change(item: Item) -> str | None:
    """The direction of a change of rank. None if the server says it in another language."""
    return _RANKS.get(str(item.get("toString")).strip().lower())


BEFORE: Mapping[str, Callable[[Item, Seen], str | None]] = {
    "developer": _before_developer,
    "sprint": _before_sprint,
    "identifier": _before_identifier,
    "boolean": _before_boolean,
    "labels": _before_labels,
    "flag": _before_flag,
    "issue_key": _before_issue_key,
    "ready_status": _before_ready_status,
    "project": _before_project,
}
"""For each type whose old value is not parsed as its value now, what the value was before a change."""

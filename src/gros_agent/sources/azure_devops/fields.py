"""The fields of work items that have a column in the tables, and how their values are written."""

import math
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

import msgspec

from gros_agent.rows import NOBODY
from gros_agent.sources.common.api import text

FIRST_YEAR = 1753
"""Servers can't store earlier dates, so values that seem earlier are placeholders."""


def words(value: object) -> str | None:
    """A value as text."""
    return str(value)


def whole(value: object) -> str | None:
    """A whole number of at least 0, or None if the value is not one."""
    number = _number(value)
    return None if number is None else str(int(number))


def decimal(value: object) -> str | None:
    """A number of at least 0, with a decimal point, or None if the value is not one."""
    number = _number(value)
    return None if number is None else f"{number:.10f}".rstrip("0").ljust(len(str(int(number))) + 2, "0")


def tags(value: object) -> str | None:
    """The number of tags in a list that is separated by semicolons."""
    return str(sum(bool(one.strip()) for one in str(value).split(";")))


def moment(value: object) -> str | None:
    """A moment as written to tables, or None if the value is not a moment."""
    found = parsed(value)
    return None if found is None else text(found)


def date(value: object) -> str | None:
    """The local date of a moment, or None if the value is not a moment."""
    found = moment(value)
    return None if found is None else found.partition(" ")[0]


def parsed(value: object) -> datetime | None:
    """Parse a moment. None if the value is not a moment."""
    try:
        found = value if isinstance(value, datetime) else msgspec.convert(value, datetime)
    except msgspec.ValidationError:
        return None
    return found if found.year >= FIRST_YEAR else None


def person(value: object) -> tuple[str, str] | None:
    """Name and account (an address, or an account of a Windows domain) of a person, or None.

    Servers return an object, a text ``NAME <ACCOUNT>``, or an object with such a text as its account.
    """
    if isinstance(value, dict):
        told = value.get("displayName")
        unique = str(value.get("uniqueName") or "")
        if told:
            return str(told), _split(unique)[1] or unique or NOBODY
        return person(unique)
    if not value or not str(value).strip():
        return None
    found, account = _split(str(value))
    return found or account, account or NOBODY


def _split(value: str) -> tuple[str, str]:
    """Split a text into a name and the account in angle brackets at its end. The account may be empty."""
    name, opened, rest = value.strip().rpartition("<")
    account = rest.removesuffix(">")
    if opened and rest.endswith(">") and ">" not in account:
        return name.strip(), account.strip()
    return value.strip(), ""


def _number(value: object) -> float | None:
    try:
        number = float(str(value))
    except ValueError:
        return None
    return number if math.isfinite(number) and number >= 0 else None


COLUMNS: Mapping[str, tuple[Callable[[Any], str | None], tuple[str, ...]]] = {
    "status": (words, ("System.State",)),
    "issuetype": (words, ("System.WorkItemType",)),
    "created_date": (moment, ("System.CreatedDate",)),
    "updated": (moment, ("System.ChangedDate",)),
    "title": (words, ("System.Title",)),
    "description": (words, ("System.Description",)),
    "labels": (tags, ("System.Tags",)),
    "attachments": (whole, ("System.AttachedFileCount",)),
    "project_name": (words, ("System.TeamProject",)),
    "team_name": (words, ("System.NodeName",)),
    "sprint_name": (words, ("System.IterationPath",)),
    "priority": (whole, ("Microsoft.VSTS.Common.Priority", "Wigo4it.PrioRegie")),
    "rank_change": (whole, ("Microsoft.VSTS.Common.BacklogPriority",)),
    "additional_information": (words, ("Microsoft.VSTS.Common.AcceptanceCriteria",)),
    "severity": (words, ("Microsoft.VSTS.Common.Severity",)),
    "impact": (whole, ("Wigo4it.ImpactWI",)),
    "business_value": (whole, ("Microsoft.VSTS.Common.BusinessValue",)),
    "duedate": (date, ("Microsoft.VSTS.Scheduling.TargetDate",)),
    "story_points": (decimal, ("Microsoft.VSTS.Scheduling.Effort",)),
    "topdesk_number": (
        words,
        ("Wigo4it.TopDeskSyncWijzigingNr", "Wigo4it.TopDeskIncidentNr", "dSZW.Socrates.TopDeskWijzigingNr"),
    ),
    "use_case": (words, ("Wigo4it.UseCaseNr",)),
}
"""For each column a function that formats its value, and the possible fields; the first that exists is used."""
PERSONS: Mapping[str, str] = {
    "reporter": "System.CreatedBy",
    "assignee": "System.AssignedTo",
    "updated_by": "System.ChangedBy",
}
"""The field with the person for each column."""


def written(fields: Mapping[str, Any]) -> dict[str, str]:
    """The columns of a version of a work item, except its persons. Missing fields are left out."""
    found: dict[str, str] = {}
    for column, (write, names) in COLUMNS.items():
        value = next((fields[one] for one in names if fields.get(one) is not None), None)
        if value is not None and (done := write(value)) is not None:
            found[column] = done
    return found

"""The tables beside that of versions, the slow way: see :mod:`sources.jira.slowly`."""

import json
import re
from collections import Counter
from collections.abc import Iterable
from datetime import datetime
from typing import Any

import msgspec

from gros_agent.rows import Row
from sources.jira.slow_values import (
    MAPPING,
    SPRINT_DATES,
    Columns,
    Given,
    Item,
    account,
    address,
    local,
    local_or,
    moment,
    option_name,
    sprint,
)
from sources.jira.slowly import COLUMNS, SlowIssue

NAMED = ("issuetype", "priority", "resolution", "status", "test_execution")
PEOPLE = [name for name in COLUMNS if MAPPING[name]["type"] == "developer"]


def tables(given: Given) -> dict[str, list[Columns]]:
    """The rows of each table by its name. ``given`` has all issues, of which those that changed are collected."""
    found = [SlowIssue(given, one) for one in given.issues if is_new(given, one)]
    every: dict[str, list[Columns]] = {
        "data": [row for one in found for row in one.versions()],
        "data_comments": [row for one in found for row in comments(one)],
        "data_developer": developers(given, found),
        "data_sprint": sprints(given, found),
        "data_fixVersion": versions(given, found),
        "data_component": components(given, found),
        "data_issue_component": [row for one in found for row in issue_components(one)],
        "data_issuelinks": [row for one in found for row in links(one)],
        "data_subtasks": [
            {"from_id": one.issue["id"], "to_id": each["id"]}
            for one in found
            for each in one.values.get("subtasks", ())
        ],
        "data_status_category": categories(given, found),
        "data_relationshiptype": list(relationship_types(given, found).values()),
        "data_ready_status": ready_statuses(found),
    }
    for column in NAMED:
        every[f"data_{column}"] = [named(column, one) for one in described(column, given, found).values()]
    return every


def counted(rows: Iterable[Columns]) -> Counter[str]:
    """Rows in a form in which their order does not count."""
    return Counter(json.dumps(row, sort_keys=True) for row in rows)


def as_json(rows: Iterable[Row]) -> dict[str, Counter[str]]:
    """Rows of the source, by the name of their table, without the mark of pseudonyms."""
    found: dict[str, list[Columns]] = {}
    for row in rows:
        columns = msgspec.to_builtins(row)
        columns.pop("encrypted", None)
        found.setdefault(row.table, []).append(columns)
    return {name: counted(some) for name, some in found.items()}


def is_new(given: Given, issue: Item) -> bool:
    return given.since is None or moment(issue["fields"]["updated"]) >= given.since


def comments(one: SlowIssue) -> Iterable[Columns]:
    """Those that were written or changed since the last collection."""
    for each in one.values.get("comment", {}).get("comments", ()):
        created, updated = moment(each["created"]), moment(each.get("updated") or each["created"])
        if one.given.since is None or max(created, updated) >= one.given.since:
            people = (account(each.get(name), is_cloud=one.given.is_cloud) for name in ("author", "updateAuthor"))
            author, updater = (person or "0" for person in people)
            moments = {"created_at": local(created), "updated_at": local(updated)}
            who = {"author": author, "updater": updater}
            yield {"id": each["id"], "issue_id": one.issue["id"], "comment": each["body"], **who, **moments}


def developers(given: Given, found: list[SlowIssue]) -> list[Columns]:
    """Everyone who can be assigned or was seen. Of what is said about a person, the first with an address counts."""
    seen = list(given.users) if found or given.since is None else []
    guessed: list[Columns] = []
    for one in found:
        seen += [one.values.get(name) for name in ("creator", "reporter", "assignee")]
        seen += [history.get("author") for history in one.histories]
        for each in one.values.get("comment", {}).get("comments", ()):
            seen += [each.get("author"), each.get("updateAuthor")]
        items = [later[0] for name in PEOPLE for number in one.replayed if (later := one.later(name, number))]
        for item in items:
            if item["from"]:
                seen += [given.by_key[item["from"]]] if item["from"] in given.by_key else []
                guessed.append({"name": one.person(item["from"]), "display_name": item["fromString"] or item["from"]})
    people = [person for person in seen if account(person, is_cloud=given.is_cloud)]
    people.sort(key=lambda person: address(person) is None)
    rows = [developer(person, given) for person in people] + guessed
    return list({row["name"]: row for row in reversed(rows)}.values())


def developer(person: Item, given: Given) -> Columns:
    name, email = account(person, is_cloud=given.is_cloud), address(person)
    return {"name": name, "display_name": person.get("displayName") or name} | ({"email": email} if email else {})


def sprints(given: Given, found: list[SlowIssue]) -> list[Columns]:
    """Those of the boards and of issues. What one does not tell is taken from the next."""
    every = given.sprints + [sprint(value) for one in found for value in one.value("sprint") or ()]
    rows: dict[str, Columns] = {}
    for each in every:
        boards = (each.get(name) for name in ("originBoardId", "rapidViewId", "boardId"))
        board = next((str(one) for one in boards if one is not None), None)
        row = {"id": str(each["id"]), "name": each["name"], "goal": each.get("goal"), "board_id": board}
        row |= {column: local_or(each.get(name)) for column, name in SPRINT_DATES.items()}
        known = {name: value for name, value in row.items() if value is not None}
        rows[row["id"]] = known | rows.get(row["id"], {})
    return list(rows.values())


def first(every: Iterable[Item]) -> dict[str, Item]:
    """The first of those with the same identifier."""
    found: dict[str, Item] = {}
    for one in every:
        found.setdefault(str(one["id"]), one)
    return found


def versions(given: Given, found: list[SlowIssue]) -> list[Columns]:
    names = ("fixVersions", "versions")
    used = [one for issue in found for name in names for one in issue.values.get(name) or ()]
    return [
        {
            "id": identifier,
            "name": one["name"],
            "description": one.get("description") or "",
            "start_date": one.get("startDate", "0"),
            "release_date": one.get("releaseDate", "0"),
            "released": "1" if one.get("released") else "-1",
        }
        for identifier, one in first([*given.project.get("versions", ()), *used]).items()
    ]


def components(given: Given, found: list[SlowIssue]) -> list[Columns]:
    used = [one for issue in found for one in issue.values.get("components") or ()]
    every = first([*given.project.get("components", ()), *used])
    return [
        {"id": identifier, "name": one["name"], "description": one.get("description", "0")}
        for identifier, one in every.items()
    ]


# links and components, with their moments


def period(came: list[datetime], went: list[datetime]) -> Columns:
    """The earliest coming and the latest going."""
    return {"start_date": local(min(came)) if came else "0", "end_date": local(max(went)) if went else "0"}


def issue_components(one: SlowIssue) -> list[Columns]:
    items = [(at, item["from"], item["to"]) for at, item in one.about("components")]
    every = [each["id"] for each in one.values.get("components") or ()]
    every += [each for _, *both in items for each in both if each]
    return [
        {"issue_id": one.issue["id"], "component_id": each}
        | period([at for at, _, to in items if to == each], [at for at, old, _ in items if old == each])
        for each in dict.fromkeys(every)
    ]


def relationship_types(given: Given, found: list[SlowIssue]) -> dict[str, Columns]:
    """All types of links, and those of links that are there. Nobody asks for them where nothing changed."""
    listed = given.link_types if found or given.since is None else []
    used = [link["type"] for one in found for link in one.values.get("issuelinks") or ()]
    return {
        identifier: {"id": identifier, **{name: one[name] for name in ("name", "inward", "outward")}}
        for identifier, one in first([*listed, *used]).items()
    }


def links(one: SlowIssue) -> list[Columns]:
    present = [link_of(each) for each in one.values.get("issuelinks") or ()]
    items = one.about("issuelinks")
    came = [(at, meant(one, item["to"], item["toString"], present)) for at, item in items if item["to"]]
    went = [(at, meant(one, item["from"], item["fromString"], present)) for at, item in items if item["from"]]
    every = dict.fromkeys([*present, *(link for _, link in (*came, *went) if link)])
    return [
        {"from_key": one.issue["key"], "to_key": each[0], "relationshiptype": each[1], "outward": each[2]}
        | period([at for at, link in came if link == each], [at for at, link in went if link == each])
        for each in every
    ]


def link_of(link: Item) -> tuple[str, str, str]:
    """The other issue, the type and the direction of a link."""
    name, direction = ("outwardIssue", "1") if "outwardIssue" in link else ("inwardIssue", "-1")
    return link[name]["key"], link["type"]["id"], direction


def meant(one: SlowIssue, other: str, text: str, present: list[Any]) -> tuple[str, str, str] | None:
    """The link that a change means: one that is present, or else the first type with these words, outward first."""
    words = re.sub(f" {other}$", "", text).removeprefix("This issue ").casefold()
    kinds = sorted(relationship_types(one.given, [one]).values(), key=lambda kind: int(kind["id"]))
    both = (("outward", "1"), ("inward", "-1"))
    found = [(other, kind["id"], to) for name, to in both for kind in kinds if kind[name].casefold() == words]
    return next((link for link in found if link in present), found[0] if found else None)


# things with a name


def described(column: str, given: Given, found: list[SlowIssue]) -> dict[str, Item]:
    """Those that issues have, and those that they had before a change, as far as the server lists them."""
    known = first(value for one in found if (value := one.value(column)))
    former = {one.at(column, number) for one in found for number in one.replayed}
    listed = first(given.names.get(column, ()))
    return known | {name: listed[name] for name in former if name and name not in known and name in listed}


def named(column: str, value: Item) -> Columns:
    row: Columns = {"id": value["id"]}
    for name, kind in MAPPING[column]["table"].items():
        if kind != "status_category":
            row[name] = "0" if value.get(name) is None else value[name]
        elif "statusCategory" in value:
            row[name] = value["statusCategory"]["id"]
    return row


def categories(given: Given, found: list[SlowIssue]) -> list[Columns]:
    every = described("status", given, found).values()
    return [
        {"id": one["id"], "key": one["key"], "name": one["name"], "color": one.get("colorName", "0")}
        for one in first(status["statusCategory"] for status in every if "statusCategory" in status).values()
    ]


def ready_statuses(found: list[SlowIssue]) -> list[Columns]:
    values = [value for one in found if (value := one.value("ready_status"))]
    for one in found:
        items = [later[0] for number in one.replayed if (later := one.later("ready_status", number))]
        values += [{"id": item["from"], "value": item["fromString"]} for item in items if item["from"]]
    return [{"id": name, "name": option_name(one["value"])} for name, one in first(values).items()]

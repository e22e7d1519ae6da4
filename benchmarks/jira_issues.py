"""Makes the issues of a made Jira project, each from its number when it is asked for. None is kept.

An issue has ten changes, five comments, a version, a component, a link and two sprints. One is created a minute, and
all that happens to it does so within eleven hours.
"""

import re
from collections.abc import Mapping, Sequence

from jira_project import (
    BASE,
    COMPONENTS,
    FIRST_COMPONENT,
    FIRST_SPRINT,
    FIRST_VERSION,
    KEY,
    NOT_NAVIGABLE,
    PEOPLE,
    POINTS,
    PRIORITY,
    RANK,
    RELATES,
    RESOLUTION,
    SPRINT,
    SPRINTS,
    START,
    STATUSES,
    STORY,
    VERSIONS,
    Item,
    Project,
    encoded,
    moment,
)

CHANGES, COMMENTS = 10, 5
MINUTE, HOUR = 60, 3600
LASTS = CHANGES * HOUR + HOUR // 2
"""Seconds from the creation of an issue to its last change or comment."""
FIRST = 100_000
"""The identifier of the first issue."""
TEXT = "What has to be done, and how everybody can see that it was done. " * 6
_SHOWN = {
    SPRINT: "Sprint",
    POINTS: "Story Points",
    RANK: "Rank",
    "fixVersions": "Fix Version",
    "components": "Component",
}
"""What changes call a field, if not by its identifier."""
LAST = ("5", "1", "3")
"""The statuses that issues have in the end."""
Pair = tuple[str | None, str | None]
NOTHING: Pair = (None, None)


def template(content: object) -> bytes:
    """JSON with places: a text ``=name`` for JSON, and ``%(name)b`` for a part of a text."""
    return re.sub(rb'"=(\w+)"', rb"%(\1)b", encoded(content))


def created(number: int) -> int:
    """When an issue was created, in seconds since 1970."""
    return START + number * MINUTE


def changed(number: int, place: int) -> int:
    """When a change of an issue was made; places begin with 0."""
    return created(number) + (place + 1) * HOUR


class Issues:
    """The issues of a project: so many, numbered from 0 in the order in which they were created and changed."""

    def __init__(self, project: Project, count: int) -> None:
        self.count = count
        self.is_cloud = project.is_cloud
        self._people = [encoded(one) for one in project.people]
        name = "accountId" if project.is_cloud else "key"
        self._accounts = [str(one[name]).encode() for one in project.people]
        self._versions = [encoded(one) for one in project.versions]
        self._components = [encoded(one) for one in project.components]
        self._sprints = [encoded(project.sprint_of_issue(number)) for number in range(SPRINTS)]
        self._statuses = {number: encoded(one) for number, one in STATUSES.items()}
        self._fields = {name: template(value) for name, value in _fields(project).items()}
        self._changes = [template(self._change(items)) for items in self._happenings()]
        self._comment = template(_comment())
        self._whole: dict[tuple[frozenset[str], bool], bytes] = {}

    def since(self, second: int) -> int:
        """The number of the first issue that changed at a second or later."""
        return min(self.count, max(0, -((START + LASTS - second) // MINUTE)))

    def number(self, name: str) -> int | None:
        """The number of an issue with an identifier or a key."""
        digits = name.removeprefix(f"{KEY}-")
        found = int(digits) - (1 if digits != name else FIRST) if digits.isdecimal() else -1
        return found if 0 <= found < self.count else None

    def issue(self, number: int, fields: frozenset[str], *, with_changes: bool = False) -> bytes:
        """An issue with some of its fields."""
        form = self._whole.get((fields, with_changes))
        if form is None:
            form = self._whole[fields, with_changes] = self._form(fields, with_changes=with_changes)
        values = self._values(number)
        if "comment" in fields:
            values[b"comments"] = b",".join(self.comments(number))
        if with_changes:
            values[b"histories"] = b",".join(self.changes(number)[:: -1 if self.is_cloud else 1])
        return form % values

    def named(self, names: Sequence[str] | None) -> frozenset[str]:
        """The fields that a request names. Without names, those that can be navigated to."""
        if names is None or "*navigable" in names:
            return frozenset(self._fields.keys() - NOT_NAVIGABLE)
        return frozenset(self._fields) if "*all" in names else frozenset(self._fields.keys() & set(names))

    def _form(self, fields: frozenset[str], *, with_changes: bool) -> bytes:
        chosen = b",".join(b'"%b":%b' % (name.encode(), form) for name, form in self._fields.items() if name in fields)
        log = b',"changelog":{"startAt":0,"maxResults":%d,"total":%d,"histories":[%%(histories)b]}' % (CHANGES, CHANGES)
        head = b'{"expand":"renderedFields,names,schema,operations,editmeta,changelog","id":"%(id)b",'
        head += b'"self":"%b/rest/api/2/issue/%%(id)b","key":"%b-%%(key)b","fields":{' % (BASE.encode(), KEY.encode())
        return head + chosen + b"}" + (log if with_changes else b"") + b"}"

    def _values(self, number: int) -> dict[bytes, bytes]:
        people, begin = self._people, created(number)
        return {
            b"id": b"%d" % (FIRST + number),
            b"key": b"%d" % (number + 1),
            b"other": b"%d" % (number or 2),
            b"creator": people[number % PEOPLE],
            b"reporter": people[(number + 1) % PEOPLE],
            b"assignee": people[(number + 2) % PEOPLE],
            b"created": moment(begin),
            b"updated": moment(begin + LASTS),
            b"resolved": moment(changed(number, CHANGES - 1)),
            b"version": self._versions[number % VERSIONS],
            b"component": self._components[number % COMPONENTS],
            b"sprint": self._sprints[number % (SPRINTS - 1)],
            b"next": self._sprints[number % (SPRINTS - 1) + 1],
            b"status": self._statuses[LAST[number % len(LAST)]],
        }

    # changes

    def changes(self, number: int) -> list[bytes]:
        """The changes of an issue, the oldest first."""
        return [self.change(number, place) for place in range(CHANGES)]

    def change(self, number: int, place: int, *, in_milliseconds: bool = False) -> bytes:
        """One of the changes of an issue. Where Cloud gives those of many issues, moments are milliseconds."""
        second, who, last = changed(number, place), (number + 2) % PEOPLE, LAST[number % len(LAST)]
        middle = "5" if last == "3" else "3"
        return self._changes[place] % {
            b"id": b"%d" % (FIRST * 100 + number * CHANGES + place),
            b"author": self._people[(number + place) % PEOPLE],
            b"created": b"%d000" % second if in_milliseconds else moment(second),
            b"account": self._accounts[who],
            b"who": b"%d" % who,
            b"version": b"%d" % (FIRST_VERSION + number % VERSIONS),
            b"component": b"%d" % (FIRST_COMPONENT + number % COMPONENTS),
            b"sprint": b"%d" % (FIRST_SPRINT + number % (SPRINTS - 1)),
            b"next": b"%d" % (FIRST_SPRINT + 1 + number % (SPRINTS - 1)),
            b"last": last.encode(),
            b"last_name": str(STATUSES[last]["name"]).encode(),
            b"middle": middle.encode(),
            b"middle_name": str(STATUSES[middle]["name"]).encode(),
        }

    def _change(self, items: Sequence[Item]) -> Item:
        return {"id": "%(id)b", "author": "=author", "created": "=created", "items": items}

    def _happenings(self) -> Sequence[Sequence[Item]]:
        """What the changes are about, in the order in which they are made."""
        one, two = ("%(sprint)b",) * 2, ("%(sprint)b, %(next)b",) * 2
        assigned = self._item("assignee", NOTHING, ("%(account)b", "Person %(who)b"))
        middle, done = ("%(middle)b", "%(middle_name)b"), self._item("resolution", NOTHING, ("1", "Fixed"))
        return (
            [self._item("status", ("1", STATUSES["1"]["name"]), middle), assigned],
            [self._item(SPRINT, ("", ""), one)],
            [self._item("description", (None, f"{TEXT}It began so."), (None, TEXT))],
            [self._item(POINTS, (None, "3"), (None, "5"))],
            [self._item(RANK, ("", ""), ("", "Ranked higher"))],
            [self._item("fixVersions", NOTHING, ("%(version)b", "a version"))],
            [self._item("components", NOTHING, ("%(component)b", "a component"))],
            [self._item("labels", (None, ""), (None, "one two"))],
            [self._item(SPRINT, one, two)],
            [self._item("status", middle, ("%(last)b", "%(last_name)b")), done],
        )

    def _item(self, field: str, old: Pair, new: Pair) -> Item:
        """An item of a change. Cloud tells the identifier of the field, too."""
        kind = "custom" if field.startswith("customfield_") else "jira"
        content = {"from": old[0], "fromString": old[1], "to": new[0], "toString": new[1]}
        identifier = {"fieldId": field} if self.is_cloud else {}
        return {"field": _SHOWN.get(field, field), "fieldtype": kind, **identifier, **content}

    # comments

    def comments(self, number: int) -> list[bytes]:
        """The comments on an issue, the oldest first."""
        found = []
        for place in range(COMMENTS):
            when = moment(created(number) + (2 * place + 2) * HOUR + HOUR // 2)
            who = self._people[(number + place) % PEOPLE]
            identifier = b"%d" % (FIRST * 50 + number * COMMENTS + place)
            found.append(
                self._comment
                % {b"id": identifier, b"issue": b"%d" % (FIRST + number), b"author": who, b"created": when}
            )
        return found


def _comment() -> Item:
    link = f"{BASE}/rest/api/2/issue/%(issue)b/comment/%(id)b"
    people = {"author": "=author", "updateAuthor": "=author"}
    return {"self": link, "id": "%(id)b", "body": TEXT, **people, "created": "=created", "updated": "=created"}


def _fields(project: Project) -> Mapping[str, object]:
    """The fields of an issue, with places for what differs."""
    other = {"id": "100001", "key": f"{KEY}-%(other)b"}
    shown = {"summary": "Another issue", "status": "=status", "priority": PRIORITY, "issuetype": STORY}
    listed = {"comments": ["=comments"], "maxResults": COMMENTS, "total": COMMENTS, "startAt": 0}
    return {
        "summary": "Something to do, of which there are many: %(key)b",
        "description": TEXT,
        **dict.fromkeys(("environment", "duedate")),
        "created": "=created",
        "updated": "=updated",
        "resolutiondate": "=resolved",
        "creator": "=creator",
        "reporter": "=reporter",
        "assignee": "=assignee",
        "issuetype": STORY,
        "project": project.short,
        "status": "=status",
        "priority": PRIORITY,
        "resolution": RESOLUTION,
        "watches": {"self": f"{BASE}/rest/api/2/issue/{KEY}-%(key)b/watchers", "watchCount": 2, "isWatching": False},
        "fixVersions": ["=version"],
        "versions": [],
        "components": ["=component"],
        "labels": ["one", "two"],
        "subtasks": [],
        "attachment": [],
        "issuelinks": [{"id": "1%(id)b", "type": RELATES, "outwardIssue": {**other, "fields": shown}}],
        "comment": listed,
        SPRINT: ["=sprint", "=next"],
        POINTS: 5.0,
        RANK: "0|i%(id)b:",
    }

"""What can happen to an issue within a change, and what Jira writes about it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from hypothesis import strategies as st

from sources.jira.state import KINDS, PROJECT, Item, Pair, State, Writer

Step = Callable[[State, Writer], list[Item]]
"""Changes a state, and returns the items that are written about it."""


def setting(attribute: str, name: str, identifier: str, shown: Callable[[Writer, Any], Pair]) -> Callable[[Any], Step]:
    """Give an attribute of a state another value."""

    def to(new: Any) -> Step:
        def step(state: State, writer: Writer) -> list[Item]:
            old = getattr(state, attribute)
            setattr(state, attribute, new)
            return [writer.item(name, identifier, shown(writer, old), shown(writer, new))]

        return step

    return to


def toggling(attribute: str, name: str, identifier: str, shown: Callable[[Any], Pair]) -> Callable[[Any], Step]:
    """Take something out of a list, or put it at its end. A version is only taken from the end."""

    def of(one: Any) -> Step:
        def step(state: State, writer: Writer) -> list[Item]:
            listed = getattr(state, attribute)
            if one not in listed:
                listed.append(one)
                return [writer.item(name, identifier, (None, None), shown(one))]
            gone = listed.pop(-1 if attribute == "fixed" else listed.index(one))
            return [writer.item(name, identifier, shown(gone), (None, None))]

        return step

    return of


def _epic(_: Writer, number: int | None) -> Pair:
    return (None, None) if number is None else (str(number), f"{PROJECT}-{number}")


def _sprints(_: Writer, listed: list[int]) -> Pair:
    return ", ".join(map(str, listed)), ", ".join(f"Sprint {one}, x" for one in listed)


def _link(link: tuple[int, str, str]) -> Pair:
    number, kind, direction = link
    return f"XY-{number}", f"This issue {KINDS[kind][direction == '1']} XY-{number}"


set_title = setting("title", "summary", "summary", lambda _, text: (None, text))
_set_description = setting("description", "description", "description", lambda _, text: (None, text))
_set_status = setting("status", "status", "status", lambda _, one: (one, f"S{one}"))
_assign = setting("assignee", "assignee", "assignee", lambda writer, one: writer.person(one))
_set_due = setting("duedate", "duedate", "duedate", lambda _, day: (day, day and f"{day} 00:00:00.0"))
_estimate = setting(
    "story", "Story Points", "customfield_10", lambda _, points: (None, "" if points is None else f"{points:g}")
)
_set_epic = setting("epic", "Epic Link", "customfield_9", _epic)
_flag = setting(
    "is_flagged", "Flagged", "customfield_11", lambda _, is_set: ("[10019]", "Impediment") if is_set else ("", "")
)
_plan = setting("sprints", "Sprint", "customfield_7", _sprints)
_label = setting("labels", "labels", "labels", lambda _, listed: (None, " ".join(listed)))
_version = toggling("fixed", "Fix Version", "fixVersions", lambda one: (str(one), f"v{one}"))
_file = toggling("files", "Attachment", "attachment", lambda one: (str(one), "a.png"))
_component = toggling("components", "Component", "components", lambda one: (str(one), f"C{one}"))
_toggle_link = toggling("links", "Link", "issuelinks", _link)


def unmapped(state: State, writer: Writer) -> list[Item]:
    del state
    return [
        writer.item("Workflow", "", ("1", "a"), ("2", "b")),
        writer.item("Team", "customfield_10002", ("1", "x"), ("2", "y")),
    ]


def move(state: State, writer: Writer) -> list[Item]:
    """Move the issue into the project. It stays there."""
    if state.project == "1":
        return []
    old, state.key, state.project = state.key, f"{PROJECT}-5", "1"
    return [
        writer.item("project", "project", ("2", "Other"), ("1", "Own")),
        writer.item("Key", "", (None, old), (None, state.key)),
    ]


_TEXT = st.text("ab [x],=\n", max_size=5)
STEPS: Mapping[str, st.SearchStrategy[Step]] = {
    "title": _TEXT.map(set_title),
    "description": st.one_of(st.none(), _TEXT).map(_set_description),
    "status": st.sampled_from("123").map(_set_status),
    "assignee": st.sampled_from((None, 1, 2)).map(_assign),
    "duedate": st.sampled_from((None, "2024-02-29", "1999-12-31")).map(_set_due),
    "story": st.sampled_from((None, 0.5, 3.0, 13.0)).map(_estimate),
    "epic": st.sampled_from((None, 1, 22)).map(_set_epic),
    "flag": st.booleans().map(_flag),
    "sprints": st.lists(st.integers(1, 30), max_size=3, unique=True).map(_plan),
    "labels": st.lists(st.sampled_from("abc"), max_size=3, unique=True).map(_label),
    "versions": st.integers(1, 3).map(_version),
    "files": st.integers(1, 3).map(_file),
    "components": st.integers(1, 3).map(_component),
    "links": st.tuples(st.integers(1, 2), st.sampled_from(tuple(KINDS)), st.sampled_from(("1", "-1"))).map(
        _toggle_link
    ),
    "nothing": st.just(unmapped),
    "move": st.just(move),
}
"""For each part of an issue, what can happen to it within a change."""


@dataclass(frozen=True)
class Happened:
    """A change: how many seconds after the one before, by whom (None: nobody), what, and whether it ranks the issue."""

    after: int
    author: int | None
    steps: Mapping[str, Step]
    rank: str | None = None


happened = st.builds(
    Happened,
    after=st.sampled_from((0, 0, 1, 3600)),
    author=st.sampled_from((None, 1, 2)),
    steps=st.fixed_dictionaries({}, optional=dict(STEPS)),
    rank=st.sampled_from((None, None, "Ranked higher", "Ranked lower", "Rang erhöht")),
)

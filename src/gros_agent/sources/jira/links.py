"""Makes the links, components and sub-tasks of an issue, with the moments at which they came and went."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from gros_agent.rows import NOBODY, JiraIssueComponent, JiraIssueLink, JiraSubtask
from gros_agent.sources.jira import columns, sprints
from gros_agent.sources.jira.parsers import Item
from gros_agent.sources.jira.seen import Seen

OUTWARD, INWARD = "1", "-1"
_THIS = "This issue "
Key = tuple[str, ...]


class _Periods:
    """When each thing came and went. Of several moments, the earliest coming and the latest going count."""

    def __init__(self, present: Sequence[Key]) -> None:
        self._found: dict[Key, list[int | None]] = {one: [None, None] for one in present}

    def came(self, key: Key, second: int) -> None:
        period = self._found.setdefault(key, [None, None])
        period[0] = second if period[0] is None else min(period[0], second)

    def went(self, key: Key, second: int) -> None:
        period = self._found.setdefault(key, [None, None])
        period[1] = second if period[1] is None else max(period[1], second)

    def all(self, seen: Seen) -> Iterator[tuple[Key, dict[str, str]]]:
        for key, (came, went) in self._found.items():
            moments = [NOBODY if one is None else seen.dates.bounded(one) for one in (came, went)]
            yield key, {"start_date": moments[0], "end_date": moments[1]}


class Links:
    """Makes rows of links and components. Types of links must be noted before."""

    def __init__(self, seen: Seen) -> None:
        self._seen = seen
        self._phrases: dict[str, list[tuple[str, str]]] = {}
        self._known = 0

    def components(
        self, issue: str, values: Mapping[str, Any], items: Sequence[tuple[int, Item]]
    ) -> list[JiraIssueComponent]:
        """The components that an issue has and had. ``items`` are those of changes of components, with their second."""
        present = [found for one in _listed(values, "components") if (found := self._seen.add_component(one))]
        periods = _Periods([(one,) for one in present])
        for second, item in items:
            if (added := sprints.number(item.get("to"))) is not None:
                periods.came((added,), second)
            if (removed := sprints.number(item.get("from"))) is not None:
                periods.went((removed,), second)
        return [
            JiraIssueComponent(issue_id=issue, component_id=key[0], **moments)
            for key, moments in periods.all(self._seen)
        ]

    def links(self, issue: str, values: Mapping[str, Any], items: Sequence[tuple[int, Item]]) -> list[JiraIssueLink]:
        """The links that an issue has and had. ``items`` are those of changes of links, with their second."""
        present = list(self._present(values))
        periods = _Periods(present)
        for second, item in items:
            if (added := self._link(item.get("to"), item.get("toString"), present)) is not None:
                periods.came(added, second)
            if (removed := self._link(item.get("from"), item.get("fromString"), present)) is not None:
                periods.went(removed, second)
        return [
            JiraIssueLink(from_key=issue, to_key=other, relationshiptype=kind, outward=direction, **moments)
            for (other, kind, direction), moments in periods.all(self._seen)
        ]

    def _present(self, values: Mapping[str, Any]) -> Iterator[Key]:
        for link in _listed(values, "issuelinks"):
            kind = self._seen.add_link_type(link.get("type"))
            for name, direction in (("outwardIssue", OUTWARD), ("inwardIssue", INWARD)):
                other = link.get(name)
                if kind is None or not isinstance(other, Mapping):
                    continue
                if columns.is_possible("key", key := str(other.get("key"))):
                    yield key, kind.id, direction
                else:
                    self._seen.odd["issuelinks"] += 1

    def _link(self, other: object, text: object, present: Sequence[Key]) -> Key | None:
        """The link that a change is about: the other issue's key, the type and the direction.

        A text like ``This issue blocks ABC-2`` tells the type. If several types have the same words, or the words are
        the same in both directions, a link that is present decides, and else the outward direction.
        """
        if not isinstance(other, str) or not other:
            return None
        kinds = self._kinds(text, other) if isinstance(text, str) else []
        if not kinds or not columns.is_possible("key", other):
            self._seen.odd["issuelinks"] += 1
            return None
        keys = [(other, *kind) for kind in kinds]
        return next((key for key in keys if key in present), keys[0])

    def _kinds(self, text: str, other: str) -> Sequence[tuple[str, str]]:
        """The types and directions that have the words of a text.

        In another language than English the text begins with other words, so the longest words at its end count.
        """
        phrases = self._all_phrases()
        words = re.sub(rf"\s*{re.escape(other)}\s*$", "", text).strip().casefold()
        if words.startswith(_THIS.casefold()):
            return phrases.get(words.removeprefix(_THIS.casefold()).strip(), [])
        ends = [phrase for phrase in phrases if words == phrase or words.endswith(f" {phrase}")]
        return phrases[max(ends, key=len)] if ends else []

    def _all_phrases(self) -> Mapping[str, list[tuple[str, str]]]:
        """The types and directions of all words that describe links, outward ones first."""
        if self._known != len(self._seen.links):
            self._known = len(self._seen.links)
            self._phrases = {}
            kinds = sorted(self._seen.links.values(), key=lambda kind: int(kind.id))
            pairs = [(kind.outward, kind.id, OUTWARD) for kind in kinds]
            pairs += [(kind.inward, kind.id, INWARD) for kind in kinds]
            for phrase, kind, direction in pairs:
                if phrase.strip():
                    self._phrases.setdefault(phrase.strip().casefold(), []).append((kind, direction))
        return self._phrases


def subtasks(issue: str, values: Mapping[str, Any]) -> Iterator[JiraSubtask]:
    """The sub-tasks that an issue has."""
    found = [sprints.number(one.get("id")) for one in _listed(values, "subtasks")]
    return (JiraSubtask(from_id=issue, to_id=one) for one in dict.fromkeys(found) if one is not None)


def _listed(values: Mapping[str, Any], name: str) -> list[Mapping[str, Any]]:
    listed = values.get(name)
    return [one for one in listed if isinstance(one, Mapping)] if isinstance(listed, list) else []

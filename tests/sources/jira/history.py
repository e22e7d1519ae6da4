"""An issue whose states are known, and the changes that Jira writes as it goes from one to the next.

The issue is simulated forwards, so that nothing here knows how changes are undone.
"""

from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any

from sources.jira.happenings import Happened
from sources.jira.state import PROJECT, START, Item, State, Writer, link, moment, person


@dataclass
class Story:
    """An issue from its creation to now: the second of each change, the state after it, and what is written of it."""

    is_cloud: bool
    histories: list[Item] = field(default_factory=list)
    states: list[tuple[int, State, Happened | None]] = field(default_factory=list)

    def tell(self, beginning: State, changes: list[Happened], *, in_milliseconds: bool = False) -> None:
        writer, state, second = Writer(self.is_cloud), deepcopy(beginning), START
        self.states.append((second, deepcopy(state), None))
        for number, one in enumerate(changes):
            second += one.after + (number == 0)
            items = [item for step in one.steps.values() for item in step(state, writer)]
            if one.rank is not None:
                items.append(writer.item("Rank", "customfield_8", ("", ""), ("", one.rank)))
            history: Item = {
                "id": str(9 + number),
                "created": moment(second, in_milliseconds=in_milliseconds),
                "items": items,
            }
            if one.author is not None:
                history["author"] = person(one.author, is_cloud=self.is_cloud)
            self.histories.append(history)
            self.states.append((second, deepcopy(state), one))

    @property
    def now(self) -> State:
        return self.states[-1][1]

    def issue(self) -> Item:
        """The issue as an answer has it."""
        state = self.now
        values: Item = {
            "summary": state.title,
            "description": state.description,
            "status": {"id": state.status, "name": f"S{state.status}"},
            "assignee": None if state.assignee is None else person(state.assignee, is_cloud=self.is_cloud),
            "creator": person(3, is_cloud=self.is_cloud),
            "created": moment(START),
            "updated": moment(self.states[-1][0] + 7200),
            "duedate": state.duedate,
            "project": {"id": state.project, "key": {"1": PROJECT, "2": "OTHER"}[state.project]},
            "labels": state.labels,
            "watches": {"watchCount": 3},
            "attachment": [{"id": str(one)} for one in state.files],
            "fixVersions": [{"id": str(one), "name": f"v{one}", "released": False} for one in state.fixed],
            "components": [{"id": str(one), "name": f"C{one}"} for one in state.components],
            "issuelinks": [link(*one) for one in state.links],
            "customfield_10002": "a team",
            "customfield_7": [self._sprint(one) for one in state.sprints] or None,
            "customfield_8": "0|i000ef:",
            "customfield_9": None if state.epic is None else f"{PROJECT}-{state.epic}",
            "customfield_10": state.story,
            "customfield_11": [{"id": "10019", "value": "Impediment"}] if state.is_flagged else None,
        }
        return {"id": "77", "key": state.key, "fields": values}

    def _sprint(self, number: int) -> Any:
        if self.is_cloud:
            return {"id": number, "name": f"Sprint {number}, x", "boardId": 3}
        content = f"id={number},rapidViewId=3,state=CLOSED,name=Sprint {number}, x,startDate=<null>,goal=]"
        return f"com.atlassian.greenhopper.service.sprint.Sprint@1c9a[{content}"

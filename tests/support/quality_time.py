"""Quality-time on loopback: what a recorded server of version 5.7 held, at any moment of its time.

Nothing changed between the recorded dates but at the moments that the changelogs tell, so that the state at a moment is
that of the first recorded date after it.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import format_datetime
from functools import partial
from pathlib import Path
from typing import Any

from support.replay import Asked, Replay
from support.web import Answer, json_answer

RECORDED = Path(__file__).parents[1] / "recordings" / "quality_time.json"
Item = dict[str, Any]


def recorded() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(RECORDED.read_text())
    return found


@dataclass
class QualityTime:
    """What the server holds, the moment that it is there, and the path of its API."""

    data: dict[str, Any] = field(default_factory=recorded)
    replay: Replay = field(default_factory=Replay)
    now: datetime = datetime(2024, 3, 5, tzinfo=UTC)
    path: str = "/api/v3"
    has_period: bool = True

    def __post_init__(self) -> None:
        routes: dict[str, tuple[str, Callable[[Asked], Any]]] = {
            "server": ("server", lambda _: self.data["server"]),
            "report": ("report", lambda asked: {"ok": True, "reports": self.reports(asked)}),
            "datamodel": ("datamodel", lambda _: self.data["datamodel"]),
            "measurements": ("measurements", self.period),
            "measurements of a metric": ("measurements/([^/]+)", self.of_metric),
            "changelog": ("changelog/report/([^/]+)/([0-9]+)", self.changelog),
        }
        for name, (path, made) in routes.items():
            self.replay.route(name, f"(/api/[a-z0-9]+)/{path}", partial(self.answer, made))

    def answer(self, handler: Callable[[Asked], Any], asked: Asked) -> Answer:
        is_there = asked.parts[0] == self.path and not (asked.route == "measurements" and not self.has_period)
        code, headers, content = json_answer(handler(asked)) if is_there else json_answer({"error": "Not Found"}, 404)
        return code, {**headers, "Date": format_datetime(self.now, usegmt=True)}, content

    def reports(self, asked: Asked) -> list[Item]:
        moment = min(asked.query.get("report_date") or self.now.isoformat(), self.now.isoformat())
        states = sorted(one for one in self.data["reports"] if one != "now" and one > moment)
        found: list[Item] = self.data["reports"][states[0] if states else "now"]
        return found

    def measured(self) -> list[Item]:
        """The measurements that were begun by now, and end now at the latest."""
        now = self.now.isoformat()
        return [{**one, "end": min(one["end"], now)} for one in self.data["measurements"] if one["start"] <= now]

    def period(self, asked: Asked) -> Item:
        first, last = asked.query.get("min_report_date", ""), asked.query["report_date"]
        return {"measurements": [one for one in self.measured() if one["end"] >= first and one["start"] <= last]}

    def of_metric(self, asked: Asked) -> Item:
        return {"measurements": [one for one in self.measured() if one["metric_uuid"] == asked.parts[1]]}

    def changelog(self, asked: Asked) -> Item:
        changes = self.data["changelogs"].get(asked.parts[1], [])
        found = [one for one in changes if one["timestamp"] <= self.now.isoformat()]
        return {"changelog": found[: int(asked.parts[2])]}

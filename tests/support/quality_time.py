"""Quality-time on loopback: what recorded servers of 5.7, 5.30 and 5.58 held, at any moment of their time.

Each release has its own routes, and its own answer to a path that it has not: a description of its calls before 5.25,
404 since then. What a release makes of moments is its own, too. Nothing changed but at the moments that the changelogs
tell, so that the state at a moment is that of the first recorded date with the same changes.
"""

import html
import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import format_datetime
from functools import partial
from pathlib import Path
from typing import Any

from support.replay import Asked, Replay
from support.web import Answer, json_answer

RECORDINGS = Path(__file__).parents[1] / "recordings"
Item = dict[str, Any]

_ROUTES = "ICTU/quality-time v5.0.0 … v5.58.0, components/api_server/src/routes"
ORIGINS = {
    "server": f"source: {_ROUTES}/server.py; recording: v5.7.0, v5.30.0, v5.58.0 run",
    "report": f"source: {_ROUTES}/report.py; recording: v5.7.0, v5.30.0, v5.58.0 run",
    "datamodel": f"source: {_ROUTES}/datamodel.py; recording: v5.7.0, v5.30.0, v5.58.0 run",
    "measurements": f"source: {_ROUTES}/measurement.py; recording: v5.7.0, v5.30.0, v5.58.0 run",
    "measurements of a metric": f"source: {_ROUTES}/measurement.py; recording: v5.7.0, v5.30.0, v5.58.0 run",
    "changelog": f"source: {_ROUTES}/changelog.py; recording: v5.7.0, v5.30.0, v5.58.0 run",
    "description": f"source: {_ROUTES}/documentation.py, until v5.24.0; recording: v5.8.0, v5.24.0 run",
}
"""Where each route comes from; paths are those of the version that is served."""

RELEASES = (
    *("5.0.0", "5.2.0", "5.3.0", "5.7.0", "5.8.0", "5.9.0"),
    *("5.24.0", "5.25.0", "5.30.0", "5.54.0", "5.55.0", "5.58.0"),
)
"""Releases on both sides of each change of what is read."""
NOW = {"5.7": datetime(2024, 3, 5, tzinfo=UTC), "5.30": datetime(2026, 11, 28, tzinfo=UTC)}
NOW["5.58"] = NOW["5.30"]
_RECORDED = datetime(1, 1, 1, tzinfo=UTC)
"""Stands for the moment at which the server was recorded."""


def recorded(name: str = "5.7") -> dict[str, Any]:
    """What a release held: 5.7, 5.30 or 5.58."""
    file = "quality_time.json" if name == "5.7" else f"quality_time_{name}.json"
    found: dict[str, Any] = json.loads((RECORDINGS / file).read_text())
    return found


@dataclass
class QualityTime:
    """A server of a version: what it holds, and the moment that it is there."""

    version: str = "5.7.0"
    data: dict[str, Any] = field(default_factory=dict)
    replay: Replay = field(default_factory=Replay)
    now: datetime = _RECORDED

    def __post_init__(self) -> None:
        held = "5.7" if self.release < (5, 25) else "5.30" if self.release < (5, 55) else "5.58"
        self.data = self.data or recorded(held)
        self.data["server"]["version"] = self.version
        self.now = NOW[held] if self.now == _RECORDED else self.now
        routes: dict[str, tuple[str, Callable[[Asked], Any]]] = {
            "server": ("/api/v3/server", lambda _: self.data["server"]),
            "report": (f"{self.place}/report/?", lambda asked: {"ok": True, "reports": self.reports(asked)}),
            "datamodel": (f"{self.place}/datamodel", lambda _: self.data["datamodel"]),
            "measurements": (f"{self.place}/measurements", self.period),
            "measurements of a metric": (f"{self.place}/measurements/([^/]+)", self.of_metric),
            "changelog": (f"{self.place}/changelog/report/([^/]+)/([0-9]+)", self.changelog),
        }
        if self.release < (5, 25):
            routes["description"] = ("/api(?:/([^/]+))?(?:/([^/]+))?", self.described)
        for name, (path, made) in routes.items():
            self.replay.route(name, path, partial(self.answer, made))
        self.replay.unknown = self.unknown

    @property
    def release(self) -> tuple[int, ...]:
        return tuple(int(part) for part in self.version.split("."))

    @property
    def place(self) -> str:
        """Where this release has everything but its version."""
        return "/api/internal" if self.release >= (5, 9) else "/api/v3"

    def dated(self, answer: Answer) -> Answer:
        code, headers, content = answer
        return code, {**headers, "Date": format_datetime(self.now, usegmt=True)}, content

    def answer(self, handler: Callable[[Asked], Any], asked: Asked) -> Answer:
        return self.dated(json_answer(handler(asked)))

    def unknown(self, path: str) -> Answer:
        """The page of Bottle, which the server is made with."""
        words = f"<h1>Error: 404 Not Found</h1><pre>Not found: {html.escape(repr(path))}</pre>"
        page = f"<!DOCTYPE HTML PUBLIC '-//IETF//DTD HTML 2.0//EN'><html>{words}</html>"
        return self.dated((404, {"Content-Type": "text/html; charset=UTF-8"}, page.encode()))

    def described(self, asked: Asked) -> Item:
        """The calls with a version and a word in them; a path of one part has the word in it."""
        version, fragment = asked.parts if asked.parts[1] else ("", asked.parts[0])
        calls = json.loads((RECORDINGS / "quality_time_calls.json").read_text())
        known: Item = calls["5.24.0" if self.release >= (5, 9) else "5.8.0"]
        return {
            rule: {"url": f"https://www.quality-time.example.org:5001{rule}", "method": method}
            for rule, method in known.items()
            if version in rule and fragment in rule
        }

    def moment(self, asked: Asked, name: str = "report_date") -> str:
        """A moment that is asked for, if it is past; since 5.55 one without a fraction is the end of its second."""
        text = asked.query.get(name, "").replace("Z", "+00:00")
        if text and self.release >= (5, 55) and not re.search(r":\d{2}\.\d", text):
            text = datetime.fromisoformat(text).replace(microsecond=999_999).isoformat()
        return text if text < self.now.isoformat() else ""

    def is_past(self, begin: str, moment: str) -> bool:
        """Whether something that began at a moment is shown for another one, of which '' is now."""
        if not moment:
            return begin <= self.now.isoformat()
        return begin < moment if self.release < (5, 3) else begin <= moment

    def reports(self, asked: Asked) -> list[Item]:
        """The reports of the first recorded date with the changes that are shown."""
        moment = self.moment(asked)
        changes = {one["timestamp"] for log in self.data["changelogs"].values() for one in log}
        last = max((one for one in changes if self.is_past(one, moment)), default="" if not changes else None)
        if last is None:
            return []
        dates = sorted(date for date in self.data["reports"] if date != "now" and date > last)
        found: list[Item] = self.data["reports"][dates[0] if dates else "now"]
        return found

    def measured(self) -> list[Item]:
        """The measurements that were begun by now, and end now at the latest."""
        now = self.now.isoformat()
        return [{**one, "end": min(one["end"], now)} for one in self.data["measurements"] if one["start"] <= now]

    def period(self, asked: Asked) -> Item:
        """The measurements that overlap with a period; until 5.2 only of metrics that the reports have."""
        first, last = self.moment(asked, "min_report_date"), self.moment(asked)
        found = [one for one in self.measured() if self.is_past(one["start"], last)]
        if self.release >= (5, 3):
            return {"measurements": [one for one in found if one["end"] >= (first or self.now.isoformat())]}
        subjects = [subject for report in self.reports(asked) for subject in report["subjects"].values()]
        known = {name for subject in subjects for name in subject["metrics"]}
        return {"measurements": [one for one in found if one["end"] > first and one["metric_uuid"] in known]}

    def of_metric(self, asked: Asked) -> Item:
        moment = self.moment(asked)
        found = [one for one in self.measured() if one["metric_uuid"] == asked.parts[0]]
        return {"measurements": [one for one in found if self.is_past(one["start"], moment)]}

    def changelog(self, asked: Asked) -> Item:
        changes = self.data["changelogs"].get(asked.parts[0], [])
        found = [one for one in changes if one["timestamp"] <= self.now.isoformat()]
        return {"changelog": sorted(found, key=lambda one: str(one["timestamp"]), reverse=True)[: int(asked.parts[1])]}

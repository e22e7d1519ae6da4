"""Jenkins on loopback: recorded jobs, views and nodes, and whatever a test adds to them.

Answers hold what their ``tree`` asks for, so many levels deep, as the documentation of the API says.
"""

import json
import re
from base64 import b64encode
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from support.replay import Asked, Replay
from support.web import Answer, json_answer

RECORDED = Path(__file__).parents[1] / "recordings" / "jenkins.json"
Item = dict[str, Any]
NOT_FOUND: Answer = (404, {"Content-Type": "text/html"}, b"<html><title>Not Found - Jenkins</title></html>")
ORIGINS = {
    "jobs": "source: jenkinsci/jenkins, core/src/main/java/hudson/model/Api.java; recording: jenkins.json",
    "nodes": "source: jenkinsci/jenkins, core/src/main/java/hudson/model/ComputerSet.java; recording: jenkins.json",
}
"""Where each route comes from."""


def recorded() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(RECORDED.read_text())
    return found


@dataclass
class Jenkins:
    """What the instance has; with a ``user`` it wants a password, too."""

    data: dict[str, Any] = field(default_factory=recorded)
    replay: Replay = field(default_factory=Replay)
    user: str = ""

    def __post_init__(self) -> None:
        self.replay.route("nodes", "/computer/api/json", lambda asked: self.answer(asked, self.data))
        self.replay.route("jobs", "((?:/job/[^/]+)*)/api/json", self.folder)
        self.replay.unknown = lambda _path: NOT_FOUND

    @property
    def jobs(self) -> list[Item]:
        found: list[Item] = self.data["jobs"]
        return found

    def answer(self, asked: Asked, content: Any) -> Answer:
        wanted = f"Basic {b64encode(self.user.encode()).decode()}"
        if self.user and asked.headers.get("Authorization") != wanted:
            return 401, {"Content-Type": "text/html"}, b"<html>Authentication required</html>"
        code, headers, text = json_answer(content)
        return code, {**headers, "X-Jenkins": "2.440.3"}, text

    def folder(self, asked: Asked) -> Answer:
        place: Item = self.data
        for name in re.findall("/job/([^/]+)", asked.path):
            found = [one for one in place.get("jobs", []) if one["name"] == unquote(name)]
            if not found:
                return NOT_FOUND
            place = found[0]
        if "views" in asked.query["tree"]:
            return self.answer(asked, {"views": place["views"]})
        return self.answer(asked, {"jobs": list(cut(place.get("jobs", []), asked.query["tree"].count("jobs[")))})


def cut(jobs: list[Item], levels: int) -> Iterator[Item]:
    """Jobs down to a level; what holds others has no list of them below it."""
    for job in jobs:
        shown = {name: job[name] for name in ("name", "_class")}
        yield {**shown, "jobs": list(cut(job["jobs"], levels - 1))} if "jobs" in job and levels > 1 else shown

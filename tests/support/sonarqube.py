"""SonarQube on loopback: a generator of projects and their analyses, in the format that its Web API documents.

Recordings are thin: those that there are hold single answers (the shapes of ``search_history``, ``search_projects``
and ``navigation/component`` are theirs). What is made here follows the parameters, pages and limits of the Web API's
own description (``/web_api``, 8.0 to 10): ``ps`` up to 500 for projects and metrics and up to 1,000 for a history,
nothing beyond the 10,000th result of a period.
"""

import base64
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from functools import partial
from typing import Any

from support.replay import Asked, Replay
from support.web import Answer, json_answer

Item = dict[str, Any]

METRICS: tuple[Item, ...] = (
    {"key": "alert_status", "type": "LEVEL", "direction": 1, "qualitative": True, "hidden": False},
    {"key": "blocker_violations", "type": "INT", "direction": -1, "qualitative": True, "hidden": False},
    {"key": "classes", "type": "INT", "direction": -1, "qualitative": False, "hidden": False},
    {"key": "coverage", "type": "PERCENT", "direction": 1, "qualitative": True, "hidden": False},
    {"key": "duplicated_lines_density", "type": "PERCENT", "direction": -1, "qualitative": True, "hidden": False},
    {"key": "last_commit_date", "type": "MILLISEC", "direction": 0, "qualitative": False, "hidden": True},
    {"key": "new_coverage", "type": "PERCENT", "direction": 1, "qualitative": True, "hidden": False},
    {"key": "reliability_rating", "type": "RATING", "direction": -1, "qualitative": True, "hidden": False},
    {"key": "sqale_index", "type": "WORK_DUR", "direction": -1, "qualitative": True, "hidden": False},
    {"key": "wanted_hidden", "type": "INT", "direction": 1, "qualitative": True, "hidden": True},
)
"""Some metrics as ``metrics/search`` has them."""
NUMERIC = {"blocker_violations", "coverage", "duplicated_lines_density", "reliability_rating", "sqale_index"}
"""Those with a history of numbers that are good or bad."""
SERVERS_OWN: Item = {
    "name": "Sonar way",
    "default": True,
    "conditions": [{"metric": "new_coverage", "op": "LT", "error": "80"}],
}
STRICT: Item = {
    "name": "Strict",
    "default": False,
    "conditions": [
        {"metric": "coverage", "op": "LT", "error": "75.5"},
        {"metric": "reliability_rating", "op": "GT", "error": "1"},
        {"metric": "sqale_index", "op": "GT", "error": "60"},
    ],
}
TOKEN = "squ_" + "0" * 36

_WS = "SonarSource/sonarqube (10.8 and 2025), server/sonar-webserver-webapi/src/main/java/org/sonar/server"
ORIGINS = {
    "status": f"source: {_WS}/platform/ws/StatusAction.java",
    "validate": f"source: {_WS}/authentication/ws/ValidateAction.java",
    "projects": f"source: {_WS}/component/ws/SearchProjectsAction.java; recording: sonarqube.json",
    "project": f"source: {_WS}/component/ws/ShowAction.java",
    "branches": f"source: {_WS}/branch/ws/ListAction.java",
    "navigation": f"source: {_WS}/ui/ws/ComponentAction.java; recording: sonarqube.json",
    "links": f"source: {_WS}/projectlink/ws/SearchAction.java",
    "metrics": f"source: {_WS}/metric/ws/SearchAction.java",
    "gate of project": f"source: {_WS}/qualitygate/ws/GetByProjectAction.java",
    "gate": f"source: {_WS}/qualitygate/ws/ShowAction.java",
    "history": f"source: {_WS}/measure/ws/SearchHistoryAction.java; recording: sonarqube.json",
}
"""Where each route comes from."""


@dataclass
class Project:
    """A project: its analyses by moment, each with what it measured, the gate that it has, and its repository."""

    key: str
    name: str
    analyses: dict[datetime, Item] = field(default_factory=dict)
    gate: str = "Sonar way"
    alm: Item | None = None
    branches: dict[str, dict[datetime, Item]] = field(default_factory=dict)
    main: str = "main"
    links: list[Item] = field(default_factory=list)

    def history(self, branch: str | None) -> dict[datetime, Item] | None:
        """The analyses of a branch, which is the main one where none is named; None where there is no such branch."""
        return self.analyses if branch in {None, self.main} else self.branches.get(branch or "")


def measured(number: int) -> Item:
    """What the n-th analysis measures: everything, but the coverage is not always there."""
    found: Item = {
        "blocker_violations": str(number % 7),
        "duplicated_lines_density": f"{number % 100}.{number % 10}",
        "reliability_rating": f"{1 + number % 5}.0",
        "sqale_index": str(number * 10 % 480),
    }
    return found if number % 4 == 3 else found | {"coverage": f"{number % 101}.0"}


def analysed(begin: datetime, count: int, apart: timedelta) -> dict[datetime, Item]:
    """Analyses at equal distances."""
    return {begin + number * apart: measured(number) for number in range(count)}


@dataclass
class SonarQube:
    """What the server holds, and which version it is.

    ``cap`` is how far into a period it goes, ``listed_cap`` into a list.
    """

    projects: list[Project] = field(default_factory=list)
    gates: list[Item] = field(default_factory=lambda: [SERVERS_OWN, STRICT])
    metrics: list[Item] = field(default_factory=lambda: [dict(one) for one in METRICS])
    replay: Replay = field(default_factory=Replay)
    now: datetime = datetime(2024, 6, 1, 12, tzinfo=UTC)
    version: str = "9.9.4.87374"
    state: str = "UP"
    token: str | None = None
    cap: int = 10_000
    listed_cap: int = 10_000
    tells_analysis: bool = True
    hides_version: bool = False
    organization: Item | None = None

    def __post_init__(self) -> None:
        if not self.projects:
            begin = datetime(2024, 1, 1, 8, tzinfo=UTC)
            self.projects = [
                Project("org:one", "One", analysed(begin, 12, timedelta(days=7))),
                Project("org:two", "Two", analysed(begin, 5, timedelta(days=20)), gate="Strict"),
                Project("org:idle", "Idle"),
            ]
        routes: dict[str, tuple[str, Callable[[Asked], Any]]] = {
            "status": ("system/status", self.status),
            "validate": ("authentication/validate", lambda asked: {"valid": self.is_known(asked)}),
            "projects": ("components/search_projects", self.listed),
            "project": ("components/show", self.shown),
            "branches": ("project_branches/list", self.branched),
            "navigation": ("navigation/component", self.navigated),
            "links": ("project_links/search", self.linked),
            "metrics": ("metrics/search", self.metric_page),
            "gate of project": ("qualitygates/get_by_project", self.gate_of),
            "gate": ("qualitygates/show", self.gate),
            "history": ("measures/search_history", self.history),
        }
        for name, (path, made) in routes.items():
            self.replay.route(name, f"(?:/sonar)?/api/{path}", partial(self.answer, made))
        self.replay.unknown = lambda path: refused(404, f"Unknown url : {path.removeprefix('/sonar')}")

    @property
    def url(self) -> str:
        return f"{self.replay.url}/sonar"

    def answer(self, handler: Callable[[Asked], Any], asked: Asked) -> Answer:
        is_open = asked.route in {"status", "validate"} or self.token is None or self.is_known(asked)
        content = handler(asked) if is_open else None
        if isinstance(content, tuple):
            code, headers, text = content
        elif content is None:
            code, headers, text = json_answer({}, 401) if not is_open else refused(404, "not found")
        else:
            code, headers, text = json_answer(content)
        return code, {**headers, "Date": format_datetime(self.now, usegmt=True)}, text

    def is_known(self, asked: Asked) -> bool:
        """Whether the token is there in the form that this version takes."""
        told = {name.lower(): value for name, value in asked.headers.items()}.get("authorization", "")
        as_user = base64.b64encode(f"{self.token}:".encode()).decode()
        takes_bearer = int(self.version.partition(".")[0]) >= 10
        return told == f"Basic {as_user}" or (takes_bearer and told == f"Bearer {self.token}")

    def status(self, asked: Asked) -> Item:
        told = {"id": "A", "version": self.version}
        return {**({} if self.hides_version and not self.is_known(asked) else told), "status": self.state}

    def by_key(self, key: str) -> Project | None:
        return next((one for one in self.projects if one.key == key), None)

    def seen(self, analyses: dict[datetime, Item]) -> dict[datetime, Item]:
        return {moment: values for moment, values in analyses.items() if moment <= self.now}

    def component(self, one: Project, branch: str | None = None) -> Item:
        found: Item = {"key": one.key, "name": one.name, "qualifier": "TRK"}
        analyses = self.seen(one.history(branch) or {})
        if analyses and self.tells_analysis:
            found["analysisDate"] = stamp(max(analyses))
        return found | ({"organization": self.organization["key"]} if self.organization else {})

    def page(self, items: list[Any], asked: Asked, longest: int, cap: int) -> tuple[list[Any], Item] | Answer:
        number, size = int(asked.query.get("p", 1)), int(asked.query.get("ps", 100))
        if size > longest:
            return refused(400, f"'ps' value ({size}) must be less than {longest}")
        if number * size > cap:
            return refused(400, f"Can return only the first {cap} results. {number * size}th result asked.")
        begin = (number - 1) * size
        return items[begin : begin + size], {"pageIndex": number, "pageSize": size, "total": len(items)}

    def listed(self, asked: Asked) -> Any:
        organization = asked.query.get("organization")
        if self.organization and organization != self.organization["key"]:
            return refused(400, "The 'organization' parameter is missing")
        page = self.page([self.component(one) for one in self.projects], asked, 500, self.listed_cap)
        if len(page) == 3:
            return page
        organizations = {"organizations": [self.organization]} if self.organization else {}
        return {"paging": page[1], "components": page[0], **organizations}

    def shown(self, asked: Asked) -> Any:
        one = self.by_key(asked.query["component"])
        branch = asked.query.get("branch")
        if one is None or one.history(branch) is None:
            return refused(404, f"Component key '{asked.query['component']}' not found")
        return {"component": self.component(one, branch)}

    def branched(self, asked: Asked) -> Any:
        one = self.by_key(asked.query["project"])
        if one is None:
            return refused(404, f"Project '{asked.query['project']}' not found")
        names = {
            name: {"name": name, "isMain": name == one.main, "type": "BRANCH"} for name in (one.main, *one.branches)
        }
        return {"branches": list(names.values())}

    def navigated(self, asked: Asked) -> Any:
        one = self.by_key(asked.query["component"])
        if one is None:
            return None
        return self.component(one) | ({"alm": one.alm} if one.alm else {})

    def linked(self, asked: Asked) -> Any:
        one = self.by_key(asked.query["projectKey"])
        return {"links": [{"id": "1", **link} for link in one.links]} if one else None

    def metric_page(self, asked: Asked) -> Any:
        page = self.page(self.metrics, asked, 500, self.listed_cap)
        if len(page) == 3:
            return page
        return {"metrics": page[0], "total": page[1]["total"], "p": page[1]["pageIndex"], "ps": page[1]["pageSize"]}

    def gate_of(self, asked: Asked) -> Any:
        if self.organization and asked.query.get("organization") != self.organization["key"]:
            return refused(400, "The 'organization' parameter is missing")
        one = self.by_key(asked.query["project"])
        gate = next((gate for gate in self.gates if one and gate["name"] == one.gate), None)
        return {"qualityGate": {"name": gate["name"], "default": gate["default"]}} if gate else None

    def gate(self, asked: Asked) -> Any:
        if self.organization and asked.query.get("organization") != self.organization["key"]:
            return refused(400, "The 'organization' parameter is missing")
        gate = next((gate for gate in self.gates if gate["name"] == asked.query["name"]), None)
        return {"name": gate["name"], "conditions": gate["conditions"]} if gate else None

    def history(self, asked: Asked) -> Any:
        one, branch = self.by_key(asked.query["component"]), asked.query.get("branch")
        if one is None:
            return None
        begin = asked.query.get("from")
        since = datetime.fromisoformat(begin) if begin else datetime.min.replace(tzinfo=UTC)
        analyses = self.seen(one.history(branch) or {})
        moments = sorted(moment for moment in analyses if moment.replace(microsecond=0) >= since)
        page = self.page(moments, asked, 1000, self.cap)
        if len(page) == 3:
            return page
        known = {metric["key"] for metric in self.metrics}
        names = asked.query["metrics"].split(",")
        if not set(names) <= known:
            return refused(400, f"Metrics {', '.join(sorted(set(names) - known))} are not found")
        return {"paging": page[1], "measures": [self.measure(name, page[0], analyses) for name in names]}

    def measure(self, name: str, moments: list[datetime], analyses: dict[datetime, Item]) -> Item:
        points = []
        for moment in moments:
            value = analyses[moment].get(name)
            points.append({"date": stamp(moment)} | ({} if value is None else {"value": value}))
        return {"metric": name, "history": points}


def stamp(moment: datetime) -> str:
    """A moment as the API writes it."""
    return f"{moment:%Y-%m-%dT%H:%M:%S%z}"


def refused(code: int, words: str) -> Answer:
    return json_answer({"errors": [{"msg": words}]}, code)

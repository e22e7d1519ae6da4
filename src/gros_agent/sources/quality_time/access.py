"""Where the API of a Quality-time server is: ``/api/internal`` since 5.9, ``/api/v3`` before."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

from gros_agent.errors import SourceError
from gros_agent.http.client import Answer, Request, WebClient
from gros_agent.http.faults import HttpError
from gros_agent.settings.values import Secret
from gros_agent.sources import api
from gros_agent.sources.base import Context
from gros_agent.sources.quality import iso
from gros_agent.sources.quality_time.shapes import DataModel, Report, Reports, Server
from gros_agent.urls import split

PATHS = ("/api/internal", "/api/v3")
OLDEST = 5
_IDENTIFIER = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)

T = TypeVar("T")


@dataclass(frozen=True)
class Reached:
    """A server and the way to it. ``report`` is the one that the URL names, or None for all of them."""

    client: WebClient
    api: str
    version: str
    headers: Mapping[str, str]
    report: str | None

    def get(self, path: str, kind: type[T], **query: str) -> T:
        """Ask for something. Raises :class:`SourceError`."""
        return self.client.get(f"{self.api}/{path}", kind, query)

    def reports(self, moment: datetime | None = None) -> list[Report]:
        """The reports as they are, or were at a moment. Raises :class:`SourceError`."""
        query = {"report_date": iso(moment)} if moment else {}
        found = self.get("report", Reports, **query).reports
        if self.report is None:
            return found
        return [one for one in found if one.report_uuid == self.report]

    def present(self) -> list[Report]:
        """The reports as they are. Raises :class:`SourceError`, also if there is none that the URL names."""
        found = self.reports()
        if self.report is not None and not found:
            raise SourceError(
                f"{self.api} has no report {self.report}", "check the identifier in the URL: it may be gone"
            )
        return found

    def model(self) -> DataModel:
        """The types of metrics. Raises :class:`SourceError`."""
        return self.get("datamodel", DataModel)


def resolve(context: Context) -> Reached:
    """Find the API. Raises :class:`SourceError`."""
    parts = split(context.entry.url)
    path, _, last = parts.path.rstrip("/").rpartition("/")
    report = last if _IDENTIFIER.fullmatch(last) else None
    base = api.web_base(parts, context.host) + (path if report else parts.path.rstrip("/"))
    client = api.client(context, base, _credentials(context))
    for place in PATHS:
        try:
            answer: Answer[Server] = client.ask(Request("GET", f"{base}{place}/server"), Server)
        except SourceError as error:
            if place == PATHS[-1] or not _is_elsewhere(error):
                raise
        else:
            return Reached(client, f"{base}{place}", answer.value.version, answer.headers, report)
    raise AssertionError("the last path returns or raises")


def _credentials(context: Context) -> dict[str, str | Secret]:
    """Quality-time shows its reports to everybody; a proxy before it may want a password."""
    user, password = api.login(context)
    if user is None or password is None:
        return {}
    return api.basic(user, password)


def _is_elsewhere(error: SourceError) -> bool:
    """Whether there is nothing at this path: an error that says so, or the page of the web interface."""
    return error.code == 404 if isinstance(error, HttpError) else "web page" in error.message  # noqa: PLR2004


def check(context: Context) -> str:
    """Which version answers, and what it shows."""
    found = resolve(context)
    major = found.version.partition(".")[0]
    if major.isdecimal() and int(major) < OLDEST:
        raise SourceError(f"{found.api} is version {found.version}", f"version {OLDEST} or newer is supported")
    reports = found.present()
    metrics = sum(len(subject.metrics) for report in reports for subject in report.subjects.values())
    plural = "" if len(reports) == 1 else "s"
    return f"answers as version {found.version or 'unknown'}; {len(reports)} report{plural} with {metrics} metrics"


def version(context: Context) -> str:
    """The version that answers. Raises :class:`SourceError`."""
    return resolve(context).version

"""Finds the API of a Quality-time server: ``/api/internal`` since 5.9, ``/api/v3`` before.

The path does not show the release, since the version is at ``/api/v3/server`` in each of them. Releases before 5.25
answer an unknown path with status 200 and a description of their calls (``{}`` if none matches), newer ones with 404.
So the reports are requested, and only an answer with a list of reports counts. Source: ``routes`` and
``utils/functions.py`` of the ``api_server`` of ICTU/quality-time, v5.0.0 to v5.58.0.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from http import HTTPStatus
from itertools import product
from typing import TypeVar

from gros_agent.errors import SourceError
from gros_agent.http.client import Answer, Request, WebClient
from gros_agent.http.faults import HttpError, WebPageError
from gros_agent.options.values import Secret
from gros_agent.runtime.urls import split
from gros_agent.sources.base import Context
from gros_agent.sources.common import api
from gros_agent.sources.quality_time.shapes import DataModel, Listed, Report, Reports, Server

PLACES = ("/api/internal", "/api/v3")
VERSION = "/api/v3/server"
OLDEST = 5
_IDENTIFIER = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)

T = TypeVar("T")


@dataclass(frozen=True)
class Reached:
    """A server and the client for it. ``report`` is the one that the URL names, or None for all of them.

    ``first`` are all its reports at the time of connecting, ``headers`` are those of that answer.
    """

    client: WebClient
    base: str
    api: str
    report: str | None
    first: Sequence[Report]
    headers: Mapping[str, str]

    def get(self, path: str, kind: type[T], **query: str) -> T:
        """Send a request. Raises :class:`SourceError`."""
        return self.client.get(f"{self.api}/{path}", kind, query)

    def reports(self, moment: datetime) -> list[Report]:
        """The reports at the end of a second. Raises :class:`SourceError`."""
        return self._mine(self.get("report", Reports, report_date=end_of(moment)).reports)

    def present(self) -> list[Report]:
        """The current reports. Raises :class:`SourceError` if the report that the URL names does not exist."""
        found = self._mine(self.first)
        if self.report is not None and not found:
            raise SourceError(
                f"{self.api} has no report {self.report}",
                "check the identifier in the URL: the report may have been deleted",
            )
        return found

    def _mine(self, reports: Sequence[Report]) -> list[Report]:
        """The reports that the URL names, in a fixed order, since the server's order changes."""
        found = (one for one in reports if self.report in {None, one.report_uuid})
        return sorted(found, key=lambda one: one.report_uuid)

    def model(self) -> DataModel:
        """The types of metrics. Raises :class:`SourceError`."""
        return self.get("datamodel", DataModel)


def end_of(moment: datetime) -> str:
    """The end of a second, as all releases accept it. Before 5.55, the server's own moments are whole seconds.

    For a whole second, 5.0 to 5.2 return the state before it, and newer releases include the second.
    """
    return moment.replace(microsecond=999_999).isoformat()


def resolve(context: Context) -> Reached:
    """Find the API. Raises :class:`SourceError`."""
    client, host, paths = _client(context)
    nowhere: SourceError | None = None
    for (path, report), place in product(paths, PLACES):
        base = f"{host}{path}"
        try:
            answer: Answer[Listed] = client.ask(Request("GET", f"{base}{place}/report"), Listed)
        except SourceError as error:
            if not _is_elsewhere(error):
                raise
            nowhere = nowhere or error
        else:
            if answer.value.reports is not None:
                return Reached(client, base, f"{base}{place}", report, answer.value.reports, answer.headers)
    raise nowhere or SourceError(f"{context.entry.url} has no reports at {' or '.join(PLACES)}", "check the address")


def _client(context: Context) -> tuple[WebClient, str, Sequence[tuple[str, str | None]]]:
    """The client, scheme and host, and the possible meanings of the URL's path. Raises :class:`SourceError`."""
    parts = split(context.entry.url)
    host = api.web_base(parts, context.host)
    return api.client(context, host, _credentials(context)), host, tuple(_meant(parts.path.rstrip("/")))


def _meant(path: str) -> Iterator[tuple[str, str | None]]:
    """The possible meanings of a URL's path: the path of a server, and the report that its last part names.

    An imported report keeps its identifier, which can be any text. Other reports have a UUID.
    """
    parent, _, last = path.rpartition("/")
    if not _IDENTIFIER.fullmatch(last):
        yield path, None
    if last:
        yield parent, last


def _credentials(context: Context) -> dict[str, str | Secret]:
    """The credentials for a proxy. Quality-time itself shows its reports to everybody."""
    user, password = api.login(context)
    if user is None or password is None:
        return {}
    return api.basic(user, password)


def _is_elsewhere(error: SourceError) -> bool:
    """Whether a path does not exist: an error that says so, or the page of the web interface."""
    return error.code == HTTPStatus.NOT_FOUND if isinstance(error, HttpError) else isinstance(error, WebPageError)


def check(context: Context) -> str:
    """Describe the version of the server, and the number of its reports and metrics."""
    found, told = resolve(context), version(context)
    major = told.partition(".")[0]
    if major.isdecimal() and int(major) < OLDEST:
        raise SourceError(f"{found.base} is version {told}", f"version {OLDEST} or newer is supported")
    reports = found.present()
    metrics = sum(len(subject.metrics) for report in reports for subject in report.subjects.values())
    plural = "" if len(reports) == 1 else "s"
    return f"answers as version {told or 'unknown'}; {len(reports)} report{plural} with {metrics} metrics"


def version(context: Context) -> str:
    """The version of the server, empty if it is not available. Raises :class:`SourceError`."""
    client, host, paths = _client(context)
    for path, _ in paths:
        try:
            return client.get(f"{host}{path}{VERSION}", Server).version
        except SourceError as error:
            if not _is_elsewhere(error):
                raise
    return ""

"""Reads the status of a BigBoat dashboard. It is sent to the controller separately, and is not part of any table.

Facts of the API: ``GET /api/v2/status`` with the header ``api-key`` lists objects with ``name``, ``isOk``,
``lastCheck`` and ``details``. BigBoat is not maintained any more; installations still run it.
"""

import logging
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec

from gros_agent.controller.answers import BigBoatStatus
from gros_agent.options.hosts import Host
from gros_agent.options.values import Secret
from gros_agent.runtime.urls import host_of, without_credentials
from gros_agent.settings.model import ProjectSettings
from gros_agent.sources.base import named_proxies
from gros_agent.sources.common import transport

log = logging.getLogger(__name__)

_VALUES = ("usedIps", "used", "loadavg", "time")
_LIMITS = ("totalIps", "total")
_LOAD = "15"
"""The load is reported for 1, 5 and 15 minutes; this one is used."""
NAME_LENGTH = 100
"""Characters in the importer's column for a name."""


class _LastCheck(msgspec.Struct):
    ISO: str


class _Item(msgspec.Struct, rename={"last_check": "lastCheck", "is_ok": "isOk"}):
    name: str
    last_check: _LastCheck
    is_ok: bool
    details: Any = None


class BigBoat:
    """The dashboard that a project's settings name. ``url`` is its address without credentials.

    Raises :class:`SourceError` if the key can't be sent in an HTTP header.
    """

    kind = "bigboat"
    title = "BigBoat"

    def __init__(
        self,
        url: str,
        key: Secret | None,
        *,
        host: Host | None = None,
        blocked: Sequence[str] = (),
        proxies: Mapping[str, str] | None = None,
        silence: float = 60.0,
    ) -> None:
        from gros_agent.http.client import WebClient  # noqa: PLC0415 (slow to import, and few have a dashboard)

        self.url = without_credentials(url).rstrip("/")
        self._call = f"{url.rstrip('/')}/api/v2/status"
        headers = {"api-key": key} if key else {}
        self._client = WebClient(
            headers=headers,
            is_safe=host is None or not host.is_on("unsafe_hosts"),
            authorities=transport.authorities(host) if host else None,
            blocked=blocked,
            proxies=proxies or {},
            silence=silence,
        )

    def check(self) -> str:
        """Ask for the status, and return a sentence about the answer."""
        return f"{self.url} answers with {len(self.statuses())} measurements"

    def statuses(self) -> list[BigBoatStatus]:
        """Ask the dashboard for its measurements. Raises :class:`SourceError`."""
        items = self._client.get(self._call, list[_Item])
        return [status for item in items if (status := _status(item, self.url))]


def configured(project: ProjectSettings, silence: float = 60.0) -> BigBoat | None:
    """The dashboard of a project, or None if none is configured.

    Raises :class:`SourceError` if the address or the key can't be used.
    """
    url, key = project.get("bigboat", "host"), project.get("bigboat", "key")
    if url is None:
        return None
    name, port = host_of(url)
    return BigBoat(
        url,
        Secret(key) if key else None,
        host=project.settings.host(name, port) if name else None,
        blocked=project.environment.url_blacklist,
        proxies=named_proxies(project.environment.get),
        silence=silence,
    )


def _status(item: _Item, url: str) -> BigBoatStatus | None:
    """A measurement as the controller receives it. If its time can't be parsed, it is None, with a warning."""
    try:
        moment = datetime.fromisoformat(item.last_check.ISO)
        checked = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        log.warning("%s: %r was checked at %r, which is not a time: left out", url, item.name, item.last_check.ISO)
        return None
    details = item.details if isinstance(item.details, Mapping) else {}
    if len(item.name) > NAME_LENGTH:
        log.warning("%s: the name %r is shortened to %d characters", url, item.name, NAME_LENGTH)
    return BigBoatStatus(
        name=item.name[:NAME_LENGTH],
        checked_time=checked.replace(tzinfo=None).isoformat(" ", "seconds"),
        ok=item.is_ok,
        value=_first(details, _VALUES),
        max=_first(details, _LIMITS),
    )


def _first(details: Mapping[str, Any], names: Sequence[str]) -> float | int | None:
    """The first of these details that is present, if it is a number."""
    for name in names:
        if name in details:
            value = details[name]
            if isinstance(value, Mapping):
                value = value.get(_LOAD)
            return value if isinstance(value, int | float) and not isinstance(value, bool) else None
    return None

"""From when issues are collected, and where the next collection goes on."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from gros_agent.errors import SourceError
from gros_agent.http.traffic import server_time
from gros_agent.sources.jira.shapes import moment_of

LAG, CLOUD_LAG = timedelta(seconds=2), timedelta(minutes=5)
"""A change may be missing from a search for this long; Cloud fills its index later."""
_MINUTE = timedelta(minutes=1)
_LENGTH = len("YYYY-MM-DD HH:MM")
_START = datetime(1970, 1, 1, tzinfo=UTC)
"""Positions before this are those of existing agents that collected nothing yet."""


class Position:
    """The position of a collection, and that of the next one: moments in UTC, to the minute.

    The next position is the server's time at the first answer, minus the time that a search may lag behind. Issues that
    could not be read keep it before they were made; lists that are incomplete keep it where it was.
    """

    def __init__(self, text: str | None) -> None:
        self._text = text
        self.moment = _parsed(text) if text else None
        self._limit: datetime | None = None
        self._stays = False

    def milliseconds(self) -> int | None:
        """The position in milliseconds since 1970, or None for the start."""
        return None if self.moment is None else int(self.moment.timestamp()) * 1000

    def began(self, headers: Mapping[str, str], told: str | None, *, is_cloud: bool) -> None:
        """Note the server's time at the first answer: that of its header, or the one that it ``told`` if earlier."""
        moment, other = server_time(headers), moment_of(told)
        earliest = min(moment, other) if other else moment
        self._limit = earliest - (CLOUD_LAG if is_cloud else LAG)

    def hold(self, created: datetime | None) -> None:
        """Stay before the first version of an issue that could not be read, or where it was if that is later.

        None: stay where it was. A position before its last change would pass over its earlier versions.
        """
        if created is None or self._limit is None:
            self._stays = True
        else:
            self._limit = min(self._limit, created - _MINUTE)

    def next(self) -> str | None:
        """The position for the next collection, never before this one."""
        if self._stays or self._limit is None:
            return self._text
        if self.moment is not None and self._limit < self.moment:
            return self._text
        return f"{self._limit:%Y-%m-%d %H:%M}"


def _parsed(text: str) -> datetime | None:
    try:
        moment = datetime.strptime(text.strip()[:_LENGTH], "%Y-%m-%d %H:%M").replace(tzinfo=UTC)
    except ValueError:
        raise SourceError(
            f"the tracker contains {text!r}, which is not a moment",
            "correct it (YYYY-MM-DD HH:MM), or remove it and everything is collected again",
        ) from None
    return moment if moment >= _START else None

"""The position of a collection whose lists are read by several threads at once."""

import threading
from datetime import UTC, date, datetime, timedelta

from gros_agent.sources.common.api import Since

BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
LATE = {"Date": "Sat, 31 Jan 2026 12:00:00 GMT"}


class Slow(datetime):
    """A moment whose comparison lets another thread go first, if nothing stops that one."""

    compares = threading.Event()
    other_is_done = threading.Event()

    def __gt__(self, other: date) -> bool:
        assert isinstance(other, datetime)
        self.compares.set()
        self.other_is_done.wait(0.5)
        return super().__gt__(other)


def test_a_newer_moment_is_not_undone_by_another_thread() -> None:
    since = Since(None)
    since.saw(BEGIN, LATE)
    newest = BEGIN + timedelta(hours=2)

    def note_newest() -> None:
        Slow.compares.wait(10)
        since.saw(newest, LATE)
        Slow.other_is_done.set()

    other = threading.Thread(target=note_newest)
    other.start()
    since.saw(Slow(2026, 1, 1, 1, tzinfo=UTC), LATE)
    other.join(10)
    assert since.next() == newest.replace(tzinfo=None).isoformat(" ")

"""Dates in each form that Jira writes them in."""

import os
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gros_agent.sources.jira.moments import Dates, day, seconds
from support.zones import needs_time_zones


@pytest.fixture
def tokyo(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    time.tzset()
    yield
    os.environ.pop("TZ", None)
    time.tzset()


@pytest.mark.parametrize(
    "value",
    [
        "2024-11-29T10:31:31.123+0000",
        "2024-11-29T11:31:31.999+0100",
        "2024-11-29T05:31:31-0500",
        "2024-11-29T16:01:31.000+05:30",
        "2024-11-29T10:31:31Z",
        "2024-11-29T10:31:31.5Z",
        "2024-11-29 10:31:31+00",
        " 2024-11-29T10:31:31,123Z ",
        "1732876291000",
        "1732876291999",
        1732876291000,
        1732876291999,
        1732876291000.0,
    ],
)
def test_moments(value: object) -> None:
    assert seconds(value) == 1732876291


@pytest.mark.parametrize("value", ["2024-11-29T10:31Z", "2024-11-29T12:31+0200"])
def test_without_seconds(value: str) -> None:
    assert seconds(value) == 1732876260


@pytest.mark.parametrize(
    "value",
    [
        *(
            None,
            "",
            "<null>",
            True,
            [],
            {},
            "2024-11-29",
            "04/Nov/13 12:19 PM",
            "20241129T103131Z",
            "2024-W48-5T10:31Z",
        ),
        *("2024-02-30T10:31:31Z", "2024-11-29T25:31:31Z", "2024-11-29T10:31:31+2500", "12024-11-29T10:31:31Z"),
        *("2024-11-29T10:31:31+0100\n2", "\u0661\u0667", float("inf"), float("nan"), "9" * 30),
    ],
)
def test_what_is_no_moment(value: object) -> None:
    assert seconds(value) is None


@given(
    st.datetimes(datetime(1000, 1, 3), datetime(9999, 12, 29)),  # noqa: DTZ001 (hypothesis wants them like that)
    st.integers(-23 * 60, 23 * 60),
    st.booleans(),
)
def test_any_moment_and_offset(moment: datetime, minutes: int, has_colon: bool) -> None:
    aware = moment.replace(tzinfo=timezone(timedelta(minutes=minutes)))
    offset = f"{aware:%z}"
    offset = f"{offset[:3]}:{offset[3:]}" if has_colon else offset
    text = f"{moment:%4Y-%m-%dT%H:%M:%S}.{moment.microsecond // 1000:03d}{offset}"
    wanted = (aware.astimezone(UTC) - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(seconds=1)
    assert seconds(text) == wanted
    assert seconds(wanted * 1000 + moment.microsecond // 1000) == wanted


@given(st.one_of(st.text(), st.integers(), st.floats(), st.none(), st.text("0123456789-+:TZ. ", max_size=30)))
def test_anything(value: object) -> None:
    """Whatever a server writes ends in a date that tables can hold, or in none."""
    dates = Dates()
    found = dates.moment(value)
    assert (found is None) or datetime.strptime(found, "%Y-%m-%d %H:%M:%S")  # noqa: DTZ007
    assert dates.left_out <= 1


@pytest.mark.parametrize(
    ("value", "plain"),
    [("2024-02-29", "2024-02-29"), ("2023-02-29", None), ("0999-01-01", None), ("2024-2-9", None), (20240229, None)],
)
def test_days(value: object, plain: str | None) -> None:
    assert day(value) == plain


@needs_time_zones
@pytest.mark.usefixtures("tokyo")
def test_the_zone_is_that_of_the_agent() -> None:
    """Days are never shifted. A day that stands for a moment begins at midnight."""
    dates = Dates()
    assert dates.text("2024-11-29T20:31:31.123+0000") == "2024-11-30 05:31:31"
    assert dates.date("2024-11-29T20:31:31.123+0000") == "2024-11-30"
    assert dates.date("2024-11-29") == dates.text("2024-11-29") == "2024-11-29"
    assert dates.moment("2024-11-29") == "2024-11-29 00:00:00"
    assert dates.left_out == 0


def test_what_is_left_out_is_counted() -> None:
    dates = Dates()
    assert [dates.text(value) for value in (None, "", "soon", 10**18, "0001-01-01T00:00:00Z")] == [None] * 5
    assert dates.left_out == 3
    assert list(dates.notes()) == ["3 dates could not be parsed, or their year has not four digits, and were left out"]
    assert dates.bounded(10**15) == "9999-12-31 23:59:59"

"""Rows that are decoded without patterns, and checked by their distinct values, are those that msgspec takes."""

import re
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gros_agent.database.columns import columns
from gros_agent.database.patterns import PatternedRows
from gros_agent.rows import TABLES, ChangePath, Row, VcsVersion
from support.rows import change, commit

TEXTS = (
    *("", "0", "1", "-1", "12", "012", "1\n", "\n", "1.5", "٣", "abc", "ABC-1", "x@y", "merge", "M", "commit"),
    *("f" * 64, "g" * 64, "x" * 1001, "2024-01-01", "2024-01-01 12:00:00", "2024-13-01 12:00:00"),
)
VALUES: st.SearchStrategy[Any] = st.one_of(
    st.sampled_from(TEXTS),
    st.text(max_size=5),
    st.sampled_from([None, True, 0, 7, -1, 1.5, [], 2**70]),
)


def told(decode: Any, content: bytes) -> list[dict[str, Any]] | None:
    """The rows as plain values, or None if there is an error: of several, another one may be named."""
    try:
        return [msgspec.to_builtins(one) for one in decode(content)]
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return None


def expected(row: type[Row], content: bytes) -> list[dict[str, Any]] | None:
    """What msgspec says, but for line breaks at the end of values, which it does not see."""
    several: Any = list
    found = told(msgspec.json.Decoder(several[row]).decode, content)
    for one in columns(row):
        pattern = one.pattern.replace("$", r"\Z")
        values = [value for each in found or () if isinstance(value := each.get(one.name), str)]
        if not all(re.search(pattern, value) for value in values):
            return None
    return found


@given(data=st.data(), row=st.sampled_from(TABLES))
def test_as_msgspec(data: st.DataObject, row: type[Row]) -> None:
    fields = msgspec.structs.fields(row)
    names = [one.name for one in fields]
    patterned = PatternedRows(row)
    for _ in range(3):  # what one block had is known in the next
        rows = [
            {
                name: data.draw(VALUES)
                for name in names
                if fields[names.index(name)].required or data.draw(st.booleans())
            }
            for _ in range(data.draw(st.integers(0, 2)))
        ]
        content = msgspec.json.encode(rows)
        assert told(patterned.decode, content) == expected(row, content)


@given(data=st.data())
def test_one_wrong_value_among_many(data: st.DataObject) -> None:
    """Also in a column that was right for a long time."""
    name = data.draw(st.sampled_from(msgspec.structs.fields(ChangePath))).name
    value = data.draw(VALUES)
    rows = [msgspec.to_builtins(change(f"{number}")) for number in range(50)]
    wrong = [*rows, {**rows[0], name: value}]
    patterned = PatternedRows(ChangePath)
    patterned.decode(msgspec.json.encode(rows))
    content = msgspec.json.encode(wrong)
    assert told(patterned.decode, content) == expected(ChangePath, content)


@pytest.mark.parametrize(
    ("field", "value"),
    [("commit_date", "2024-05-01 12:00:00"), ("insertions", "5"), ("encrypted", "1"), ("developer_email", "f" * 64)],
)
def test_line_break_at_the_end(field: str, value: str) -> None:
    """Some databases read such a number or moment, and others do not."""
    rows = [commit("a"), commit("b", **{field: value}), commit("c", **{field: f"{value}\n"})]
    assert len(PatternedRows(VcsVersion).decode(msgspec.json.encode(rows[:2]))) == 2
    with pytest.raises(msgspec.ValidationError, match=f"{field} ends with a line break"):
        PatternedRows(VcsVersion).decode(msgspec.json.encode(rows))


def test_more_values_than_are_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gros_agent.database.patterns._MOST", 2)
    patterned = PatternedRows(ChangePath)
    for kind in "MADRMADR":
        assert len(patterned.decode(msgspec.json.encode([change("a", change_type=kind)]))) == 1
    with pytest.raises(msgspec.ValidationError, match=r"\$\[0\]\.change_type"):
        patterned.decode(msgspec.json.encode([{**msgspec.to_builtins(change("a")), "change_type": "X"}]))

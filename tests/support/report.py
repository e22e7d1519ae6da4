"""Reads a report as a browser does, without one: its tables, and every element with its attributes."""

from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path

_ALONE = frozenset({"meta", "link", "br", "img", "input"})


@dataclass
class Reading(HTMLParser):
    """The elements of a page. ``tables`` has the rows of each table by its identifier, the headings first."""

    elements: list[tuple[str, dict[str, str | None]]] = field(default_factory=list)
    tables: dict[str, list[list[str]]] = field(default_factory=dict)
    texts: list[str] = field(default_factory=list)
    open: list[str] = field(default_factory=list)
    _rows: list[list[str]] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.elements.append((tag, given))
        if tag not in _ALONE:
            self.open.append(tag)
        if tag == "table":
            self._rows = self.tables.setdefault((given["id"] or "").removeprefix("table-"), [])
        elif tag == "tr":
            self._rows.append([])
        elif tag in {"td", "th"}:
            self._rows[-1].append("")

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag, (tag, self.getpos())

    def handle_data(self, data: str) -> None:
        self.texts.append(data)
        if self.open and self.open[-1] in {"td", "th"}:
            self._rows[-1][-1] += data

    def rows(self, name: str) -> list[list[str]]:
        """The rows of a table, without its headings."""
        return self.tables[name][1:]

    @property
    def text(self) -> str:
        return " ".join("".join(self.texts).split())


def read(path: Path) -> Reading:
    """Read a report. Every element of it must be closed, and in its place."""
    reading = Reading()
    reading.feed(path.read_text(encoding="utf-8"))
    reading.close()
    assert reading.open == []
    return reading

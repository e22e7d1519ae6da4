"""Collects the sources that a quality system names as parts of a project."""

from collections import Counter
from collections.abc import Iterator

from gros_agent.errors import SourceError
from gros_agent.runtime.urls import split, without_credentials
from gros_agent.sources import by_type
from gros_agent.sources.base import Order, SourceEntry


class NamedSources:
    """The named sources, with each address once."""

    def __init__(self) -> None:
        self._found: dict[tuple[str, str], SourceEntry] = {}
        self._odd: set[tuple[str, str]] = set()

    def add(self, kind: str, name: str, url: str) -> bool:
        """Add a source if its URL is http(s): an address from outside must never open a file or start a program."""
        address = without_credentials(url.strip())
        try:
            is_web = split(address).scheme in {"http", "https"}
        except SourceError:
            is_web = False
        if is_web:
            self._found.setdefault((kind, address.rstrip("/").lower()), SourceEntry(kind, name, address))
        else:
            self.leave_out(kind, address)
        return is_web

    def leave_out(self, kind: str, place: str) -> None:
        """Note a part that can't be made a source: its type and the address, as far as it is known."""
        self._odd.add((kind, place))

    def sources(self) -> tuple[SourceEntry, ...]:
        """The sources, repositories first: if two sources want the same name, repositories get it."""
        return tuple(sorted(self._found.values(), key=_order))

    def notes(self) -> Iterator[str]:
        """A note about the parts that were left out."""
        if self._odd:
            counts = Counter(kind for kind, _ in self._odd)
            words = ", ".join(f"{count} of type {kind}" for kind, count in sorted(counts.items()))
            yield f"named without an address that can be collected: {words}"


def _order(entry: SourceEntry) -> tuple[Order, str]:
    source = by_type().get(entry.type)
    return (source.order if source else Order.ISSUES), entry.type

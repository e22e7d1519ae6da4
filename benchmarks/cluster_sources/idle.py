"""A source that does nothing: what is left to measure is what a part costs by itself."""

from collections.abc import Generator, Sequence

from gros_agent.rows import Jenkins, Row
from gros_agent.sources.base import Collected, Context, Declared, Order


class IdleSource(Declared):
    """Has no items, and asks nobody."""

    kind = "idle"
    title = "Idle"
    tables: tuple[type[Row], ...] = (Jenkins,)
    items: type[Row] = Jenkins
    tracker = ""
    order = Order.BUILDS

    def check(self, context: Context) -> str:
        """Describe nothing."""
        return context.entry.url

    def collect(self, context: Context, since: str | None) -> Generator[Sequence[Row], None, Collected]:
        """Yield nothing."""
        del context, since
        yield from ()
        return Collected(position=None)


SOURCE = IdleSource()

"""Output for people: tables on standard output, progress on standard error, and plain text outside a terminal."""

import os
import sys
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bars
from rich.table import Table
from rich.text import Text as Styled

from gros_agent.project.report import Report
from gros_agent.runtime.logs import current_project
from gros_agent.runtime.masking import shown, shown_in

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import RenderableType
    from rich.style import Style

    from gros_agent.collect.preview import Preview
    from gros_agent.database.table_files import TablesWritten
    from gros_agent.deliver.delivery import Export
    from gros_agent.reporting.making import Written

WIDTH_WITHOUT_TERMINAL = 160
_NARROWEST = 20
"""Narrowest width in columns in which a table can still be read."""


class Text(Styled):
    """Text that may come from others: secrets are masked, and control characters are shown as escapes."""

    def __init__(self, text: str = "", style: str = "") -> None:
        super().__init__(shown(text), style)

    def append(self, text: "Styled | str", style: "str | Style | None" = None) -> "Text":
        """Append text."""
        super().append(shown(text) if isinstance(text, str) else text, style)
        return self


class EscapedTable(Table):
    """A table whose plain cells are escaped, so that their content is never read as markup."""

    def add_row(self, *cells: "RenderableType | None", **options: Any) -> None:  # noqa: ANN401 (the base class's)
        """Add a row."""
        super().add_row(*(Text(one) if isinstance(one, str) else one for one in cells), **options)


class _Console(Console):
    """A console that leaves a broken pipe to its caller."""

    def on_broken_pipe(self) -> None:
        """Raise the error, instead of ending the program with another status."""
        raise  # noqa: PLE0704 (called while the error is handled)


def _width() -> int:
    """The width of output that is not a terminal."""
    said = os.environ.get("COLUMNS", "")
    return max(int(said), _NARROWEST) if said.isascii() and said.isdecimal() else WIDTH_WITHOUT_TERMINAL


def console(*, stderr: bool = False) -> Console:
    """A console as wide as the terminal. In a file or pipe, ``COLUMNS`` sets the width; the default is wide."""
    stream = sys.stderr if stderr else sys.stdout
    return _Console(
        stderr=stderr,
        width=None if stream.isatty() else _width(),
        highlight=False,
        soft_wrap=False,
    )


class ProgressBars:
    """Progress bars on standard error, if that is a terminal and they are wanted.

    They appear with the first progress and disappear with :meth:`clear`, which must be called before other output.
    ``of_projects`` says that several projects are collected at the same time, so that each bar names its own.
    """

    def __init__(self, *, shown: bool, of_projects: bool = False) -> None:
        self._of_projects = of_projects
        self._shown = shown and sys.stderr.isatty()
        self._bars: Bars | None = None
        self._tasks: dict[str, TaskID] = {}

    def __call__(self, what: str, done: int, total: int | None) -> None:
        """Show the progress of a step."""
        if not self._shown:
            return
        if self._of_projects and (project := current_project()):
            what = f"{project} {what}"
        if self._bars is None:
            columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
            self._bars = Bars(*columns, TimeElapsedColumn(), console=console(stderr=True), transient=True)
            self._bars.start()
        if what not in self._tasks:
            self._tasks[what] = self._bars.add_task(escape(shown(what)), total=total)
        self._bars.update(self._tasks[what], completed=done, total=total)

    def clear(self) -> None:
        """Remove the bars."""
        if self._bars is not None:
            self._bars.stop()
        self._bars = None
        self._tasks.clear()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.clear()


def new_table(*headings: str, title: str | None = None) -> EscapedTable:
    """A table with these headings."""
    shown_title = None if title is None else Text(title, style="bold not italic")
    width = None if shown_title is None else shown_title.cell_len  # a narrow table would fold it
    table = EscapedTable(title=shown_title, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False, min_width=width)
    for heading in headings:
        table.add_column(heading, overflow="fold")
    return table


def as_json(told: "Sequence[Report | Preview | Export | TablesWritten | Written]") -> str:
    """Reports as JSON, with the exit status of each."""
    import msgspec  # noqa: PLC0415 (only where it is asked for)

    content = [
        msgspec.to_builtins(one, str_keys=True, enc_hook=str)
        | ({"status": int(one.status)} if isinstance(one, Report) else {})
        for one in told
    ]
    return msgspec.json.format(msgspec.json.encode(shown_in(content))).decode()

"""Output for people: tables on standard output, progress on standard error, and plain text outside a terminal."""

import os
import sys
from collections.abc import Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bars
from rich.table import Table
from rich.text import Text as Styled

from gros_agent.preflight.results import Verdict
from gros_agent.project.report import Report
from gros_agent.runtime.masking import shown, shown_in
from gros_agent.settings.model import masked

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.style import Style

    from gros_agent.collect.preview import Preview
    from gros_agent.controller.answers import BigBoatStatus
    from gros_agent.database.erasure import Erasure
    from gros_agent.database.loading import Loading
    from gros_agent.database.table_files import TablesWritten
    from gros_agent.deliver.delivery import Export
    from gros_agent.deliver.outbox import Waiting
    from gros_agent.deliver.person import Person
    from gros_agent.deliver.receipts import File, Receipt
    from gros_agent.deliver.registration import Registered
    from gros_agent.deliver.source_keys import Published
    from gros_agent.preflight.results import Result
    from gros_agent.project.report import Outcome
    from gros_agent.reporting.making import Written
    from gros_agent.run.demo import Shown
    from gros_agent.settings.model import Settings

WIDTH_WITHOUT_TERMINAL = 160
_NARROWEST = 20
"""Narrowest width in columns in which a table can still be read."""
_EXAMPLE_LENGTH = 44
_COLOURS = {
    Verdict.OK: "green",
    Verdict.WARNING: "yellow",
    Verdict.FAILED: "red",
    Verdict.NOT_DUE: "cyan",
    Verdict.AWAY: "yellow",
    Verdict.SKIPPED: "dim",
}


class Text(Styled):
    """Text that may come from others: secrets are masked, and control characters are shown as escapes."""

    def __init__(self, text: str = "", style: str = "") -> None:
        super().__init__(shown(text), style)

    def append(self, text: "Styled | str", style: "str | Style | None" = None) -> "Text":
        """Append text."""
        super().append(shown(text) if isinstance(text, str) else text, style)
        return self


class _Table(Table):
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
    """

    def __init__(self, *, shown: bool) -> None:
        self._shown = shown and sys.stderr.isatty()
        self._bars: Bars | None = None
        self._tasks: dict[str, TaskID] = {}

    def __call__(self, what: str, done: int, total: int | None) -> None:
        """Show the progress of a step."""
        if not self._shown:
            return
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


def _table(*headings: str, title: str | None = None) -> _Table:
    shown_title = None if title is None else Text(title, style="bold not italic")
    width = None if shown_title is None else shown_title.cell_len  # a narrow table would fold it
    table = _Table(title=shown_title, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False, min_width=width)
    for heading in headings:
        table.add_column(heading, overflow="fold")
    return table


def print_report(report: Report) -> None:
    """Show the result of a project's scrape."""
    out = console()
    if report.outcomes:
        table = _table("source", "type", "new items", "tables", "time", "outcome", title=f"Project {report.project}")
        table.columns[2].justify = table.columns[4].justify = "right"
        for outcome in report.outcomes:
            counts = "\n".join(f"{name} {rows}" for name, rows in outcome.tables.items() if rows) or "-"
            table.add_row(
                Text(outcome.source),
                outcome.kind,
                _items(outcome),
                counts,
                f"{outcome.seconds:.1f} s",
                _outcome(outcome),
            )
        out.print(table)
    else:
        out.print(Text(f"Project {report.project}", style="bold"))
    for note in report.notes:
        out.print(Text(f"note: {note}"))
    if report.error:
        out.print(Text(f"error: {report.error}", style="red"))
    if report.hint:
        out.print(Text(f"  what to do: {report.hint}"))
    if report.folder:
        out.print(Text(f"{sum(report.tables.values())} rows in {len(report.tables)} tables in {report.folder}"))


def _items(outcome: "Outcome") -> str:
    if outcome.error or not outcome.tables:
        return "-"
    if outcome.expected is None or outcome.expected == outcome.items:
        return str(outcome.items)
    return f"{outcome.items} of {outcome.expected}"


def _outcome(outcome: "Outcome") -> Text:
    if outcome.error:
        text = Text(f"failed: {outcome.error}", style="red")
        return text.append(f"\n{outcome.hint}" if outcome.hint else "", style="default")
    if outcome.missing:
        text = Text("\n".join(("partly; not collected:", *outcome.missing)), style="red")
        return text.append("".join(f"\n{note}" for note in outcome.notes), style="default")
    return Text("\n".join(("done", *outcome.notes)), style="yellow" if outcome.notes else "green")


def print_preview(preview: "Preview") -> None:
    """Show which fields would leave this machine, in which form, and to where."""
    from gros_agent.collect.preview import NOT_AT_ALL, PLAIN, PSEUDONYM  # noqa: PLC0415 (few look at one)

    out = console()
    destination = preview.destination or "nowhere: no controller is configured, the tables stay here"
    out.print(Text(f"Project {preview.project}: what would leave, and to where: {destination}", style="bold"))
    for table in preview.tables:
        shown = _table("field", "leaves", "example before", "example after", title=f"{table.table}: {table.rows} rows")
        for content in table.fields.values():
            style = {PSEUDONYM: "green", PLAIN: "bold red", NOT_AT_ALL: "dim"}.get(content.treatment, "")
            before, after = _example(content.before), _example(content.after)
            shown.add_row(content.name, Text(content.treatment, style=style), before, after)
        out.print(shown)
    for outcome in preview.outcomes:
        out.print(Text(f"{outcome.source}: {_items(outcome)} items; ").append_text(_outcome(outcome)))
    for note in preview.notes:
        out.print(Text(f"note: {note}"))
    out.print(Text("note: this was a dry run: nothing was written"))


def _example(value: str | None) -> Text:
    if value is None:
        return Text("-", style="dim")
    line = value.strip().replace("\n", " ")
    return Text(line if len(line) <= _EXAMPLE_LENGTH else line[: _EXAMPLE_LENGTH - 1] + "…")


def print_checks(results: "Sequence[Result]") -> None:
    """Show the results of preflight."""
    table = _table("check", "result", "what was found")
    for result in results:
        detail = Text(result.detail)
        if result.hint and result.status != Verdict.OK:
            detail.append(f"\nwhat to do: {result.hint}")
        table.add_row(Text(result.name), Text(result.status, style=_COLOURS[result.status]), detail)
    console().print(table)


def print_settings(settings: "Settings", rows: Sequence[tuple[str, str, str, str]]) -> None:
    """Show settings as section, option, value and origin."""
    table = _table("section", "option", "value", "where it comes from")
    for section, option, value, origin in rows:
        table.add_row(section, option, Text(value), Text(origin))
    out = console()
    out.print(Text(f"home: {settings.home.root}"))
    out.print(table)


def setting_rows(settings: "Settings", *, empty: bool) -> list[tuple[str, str, str, str]]:
    """Settings as section, option, masked value and origin; with ``empty`` also those without a value."""
    return [
        (section, option, masked(value, secret=secret), value.origin)
        for section, option, value, secret in settings.rows()
        if empty or value.text
    ]


def print_registrations(done: "Sequence[Registered]") -> None:
    """Show what registrations did."""
    for one in done:
        table = _table("", "", title=f"Registered {one.project}")
        table.show_header = False
        for name, text in one.rows().items():
            table.add_row(name, Text(text))
        console().print(table)


def print_published(published: "Sequence[Published]") -> None:
    """Show the results of publishing the public key."""
    for one in published:
        console().print(Text(f"{one.project}: key {one.key} at {one.host}: {one.error or one.outcome}"))
        if one.hint:
            console().print(Text(f"  what to do: {one.hint}"))


def print_export(export: "Export") -> None:
    """Show the result of a delivery."""
    out = console()
    for receipt in export.receipts:
        out.print(_files(f"{export.project}: delivered to {receipt.controller}", receipt.files))
    for one in export.planned:
        made = f"the batch of {one.made:%Y-%m-%d %H:%M:%S}"
        out.print(_files(f"{export.project}: {made} would be delivered to {export.destination}", one.files))
    if not (export.receipts or export.planned or export.error):
        out.print(Text(f"{export.project}: there is nothing to deliver"))
    if export.error:
        out.print(Text(f"error: {export.error}", style="red"))
        out.print(Text(f"  what to do: {export.hint}"))


def _files(title: str | None, files: "Sequence[File]") -> Table:
    table = _table("file", "announced as", "rows", "bytes", "SHA-256", title=title)
    table.columns[2].justify = table.columns[3].justify = "right"
    for one in files:
        rows = "-" if one.rows is None else str(one.rows)
        table.add_row(one.name, one.heading, rows, str(one.size), one.sha256[:16] + "…")
    return table


def print_receipt(receipt: "Receipt") -> None:
    """Show in one line what a controller received."""
    size = sum(one.size for one in receipt.files)
    words = f"{receipt.rows} rows in {len(receipt.files)} files, {size} bytes, delivered to {receipt.controller}"
    ended = "" if receipt.imported is None else ", imported" if receipt.imported else ", not imported"
    console().print(Text(f"{receipt.project}: {words}{ended}"))


def print_outbox(project: str, kept: "Sequence[Waiting]") -> None:
    """Show the batches of a project that wait, the oldest first."""
    out = console()
    if not kept:
        out.print(Text(f"{project}: no batches wait"))
        return
    table = _table("number", "made", "rows", "bytes", "batch", title=f"{project}: {_waits(len(kept))}")
    for column in (0, 2, 3):
        table.columns[column].justify = "right"
    for one in kept:
        number = "newest" if one.number is None else str(one.number)
        made = f"{one.manifest.made:%Y-%m-%d %H:%M:%S}"
        table.add_row(number, made, str(one.rows), str(one.size), one.manifest.identifier)
    out.print(table)


def _waits(count: int) -> str:
    return "1 batch waits for delivery" if count == 1 else f"{count} batches wait for delivery"


def print_batch(one: "Waiting", files: "Sequence[File]") -> None:
    """Show the content and location of a batch that waits."""
    out = console()
    out.print(Text(f"{one.project}: {one.title}, identifier {one.manifest.identifier}", style="bold"))
    out.print(_files(None, files))
    out.print(Text(f"in {one.folder}"))


def print_written(written: "Written") -> None:
    """Show which report was written."""
    words = f"{written.path}: a report of {', '.join(written.projects)}, {written.bytes} bytes"
    console().print(Text(words))


def print_tables(written: "TablesWritten", earlier: int) -> None:
    """Show the tables that were written. ``earlier`` is the number of batches in the outbox, which are not in them."""
    out = console()
    table = _table("table", "rows", "file", title=f"Tables of {written.project}")
    table.columns[1].justify = "right"
    for one in written.tables:
        table.add_row(one.table, str(one.rows), one.file)
    out.print(table)
    out.print(Text(f"moments are in UTC; in the batch they were local times of {written.time_zone}"))
    if earlier:
        waits = "1 earlier batch waits" if earlier == 1 else f"{earlier} earlier batches wait"
        out.print(Text(f"note: {waits} in the outbox, and is not in these tables: gros-agent outbox list"))
    out.print(Text(f"{sum(one.rows for one in written.tables)} rows in {written.folder}"))


def print_dashboard(source: str, statuses: "Sequence[BigBoatStatus]", sent: int | None) -> None:
    """Show the status of a dashboard. ``sent`` is the number of polls that the controller accepted."""
    table = _table("name", "checked (UTC)", "ok", "value", "of at most", title=f"BigBoat dashboard {source}")
    table.columns[3].justify = table.columns[4].justify = "right"
    for one in statuses:
        numbers = (
            "-" if number is None else f"{number:g}" if isinstance(number, float) else str(number)
            for number in (one.value, one.max)
        )
        table.add_row(Text(one.name), one.checked_time, "yes" if one.ok else "no", *numbers)
    out = console()
    out.print(table)
    out.print("this was a dry run: nothing was sent" if sent is None else f"the controller accepted {sent} polls")


def print_step(name: str, text: str) -> None:
    """Show a completed step of a demo."""
    console().print(Text(f"{name:<12}", style="bold").append(text, style="not bold"))


def print_demo(shown: "Shown") -> None:
    """Show what a demo's controller received."""
    out = console()
    table = _table("table", "rows", title="What the controller received")
    table.columns[1].justify = "right"
    for name, count in shown.rows.items():
        table.add_row(name, str(count))
    out.print()
    out.print(table)
    if shown.example:
        example = _table("field", "value", "", title="The newest commit, as the controller has it")
        for name, value in shown.example.items():
            is_person = name in shown.personal
            example.add_row(name, _example(value), Text("pseudonym" if is_person else "", style="green"))
        out.print(example)
    right = shown.rows["data_vcs_versions"] == shown.commits
    out.print(
        _verdict(f"git counts {shown.commits} commits, and {shown.rows['data_vcs_versions']} arrived", fine=right)
    )
    found = f": {', '.join(shown.found)}" if shown.found else ""
    words = f"{shown.people} names and addresses of its people: {len(shown.found)} arrived outside free text{found}"
    out.print(_verdict(words, fine=not shown.found))
    end = "was on this machine, and is gone now" if shown.kept is None else f"is on this machine, in {shown.kept}"
    out.print(Text(f"Everything {end}."))


def _verdict(text: str, *, fine: bool) -> Text:
    return Text(f"{'✓' if fine else '✗'} {text}", style="green" if fine else "red")


def print_loading(result: "Loading") -> None:
    """Show what became of the batches of an inbox."""
    out = console()
    if result.batches:
        table = _table("project", "number", "batch", "rows", "outcome")
        table.columns[1].justify = table.columns[3].justify = "right"
        for one in result.batches:
            words = f"{one.state}: {one.reason}" if one.reason else one.state
            style = "red" if one.state == "refused" else "yellow" if one.reason else "green"
            table.add_row(one.project, str(one.number), one.batch, str(one.rows), Text(words, style=style))
        out.print(table)
    else:
        out.print(Text("there is no new batch"))
    if result.loaded_before:
        out.print(Text(f"{_batches(result.loaded_before)} loaded before"))
    if result.refused_before:
        out.print(Text(f"{_batches(result.refused_before)} refused before: gros.batches says why"))


def _batches(count: int) -> str:
    return "1 batch was" if count == 1 else f"{count} batches were"


def print_person(found: "Person") -> None:
    """Show the pseudonyms of a person in a project, and the batches that may contain them."""
    out = console()
    table = _table("pseudonym", "given", "form", title=f"{found.project}: {len(found.pseudonyms)} possible pseudonyms")
    table.columns[1].justify = "right"
    for one in found.pseudonyms:
        table.add_row(one.pseudonym, str(one.given), one.form)
    out.print(table)
    if found.sent:
        table = _table("delivered", "to", "batch", "rows", "files", title=f"{found.project}: delivered batches")
        table.columns[3].justify = "right"
        for sent in found.sent:
            moment = f"{sent.delivered.astimezone():%Y-%m-%d %H:%M:%S}"
            table.add_row(moment, sent.controller, sent.batch, str(sent.rows), str(len(sent.files)))
        out.print(table)
    else:
        out.print(Text(f"{found.project}: no batch was delivered"))
    if found.waiting:
        out.print(Text(f"{found.project}: {_waits(found.waiting)}"))
    for here in found.here:
        out.print(Text(f"{found.project}: {here.rows} rows with these pseudonyms in {here.path}"))
    out.print(Text("names in free text and in local clones were not searched for"))


def print_erasure(result: "Erasure") -> None:
    """Show where people were erased, and what is left."""
    out = console()
    if result.database:
        out.print(_places(result) if result.places else Text("the database did not contain these pseudonyms"))
    else:
        out.print(Text("no database was changed; those that are loaded from this inbox follow with the next load"))
    if result.inbox:
        out.print(_rewritten(result) if result.batches else Text("no file of the inbox had to be changed"))
    else:
        out.print(Text("the files of the inbox may still contain the pseudonyms: --inbox DIR changes them"))
    for path, reason in result.left.items():
        out.print(Text(f"{path} still contains people: {reason}", style="red"))


def _places(result: "Erasure") -> Table:
    table = _table("table", "column", "change", "rows", title="In the database")
    table.columns[3].justify = "right"
    for place in result.places:
        table.add_row(place.table, place.column, place.change, str(place.rows))
    return table


def _rewritten(result: "Erasure") -> Table:
    table = _table("project", "number", "batch", "file", "field", "rows", title="In the inbox")
    table.columns[1].justify = table.columns[5].justify = "right"
    for one in result.batches:
        for file, fields in one.values.items():
            for field, rows in fields.items():
                table.add_row(one.project, str(one.number), one.batch, file, field, str(rows))
    return table


def show(one: "Report | Preview") -> None:
    """Show a report or a preview."""
    if isinstance(one, Report):
        print_report(one)
    else:
        print_preview(one)


def as_json(told: "Sequence[Report | Preview | Export | TablesWritten | Written]") -> str:
    """Reports as JSON, with the exit status of each."""
    import msgspec  # noqa: PLC0415 (only where it is asked for)

    content = [
        msgspec.to_builtins(one, str_keys=True, enc_hook=str)
        | ({"status": int(one.status)} if isinstance(one, Report) else {})
        for one in told
    ]
    return msgspec.json.format(msgspec.json.encode(shown_in(content))).decode()

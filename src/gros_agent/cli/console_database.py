"""What tables, reports and the loading of a database look like in a terminal."""

from typing import TYPE_CHECKING

from rich.table import Table

from gros_agent.cli.console import Text, console, new_table

if TYPE_CHECKING:
    from gros_agent.database.erasure import Erasure
    from gros_agent.database.loading import Loading
    from gros_agent.database.table_files import TablesWritten
    from gros_agent.reporting.making import Written


def print_written(written: "Written") -> None:
    """Show which report was written."""
    words = f"{written.path}: a report of {', '.join(written.projects)}, {written.bytes} bytes"
    console().print(Text(words))


def print_tables(written: "TablesWritten", earlier: int) -> None:
    """Show the tables that were written. ``earlier`` is the number of batches in the outbox, which are not in them."""
    out = console()
    table = new_table("table", "rows", "file", title=f"Tables of {written.project}")
    table.columns[1].justify = "right"
    for one in written.tables:
        table.add_row(one.table, str(one.rows), one.file)
    out.print(table)
    out.print(Text(f"moments are in UTC; in the batch they were local times of {written.time_zone}"))
    if earlier:
        waits = "1 earlier batch waits" if earlier == 1 else f"{earlier} earlier batches wait"
        out.print(Text(f"note: {waits} in the outbox, and is not in these tables: gros-agent outbox list"))
    out.print(Text(f"{sum(one.rows for one in written.tables)} rows in {written.folder}"))


def print_loading(result: "Loading") -> None:
    """Show what became of the batches of an inbox."""
    out = console()
    if result.batches:
        table = new_table("project", "number", "batch", "rows", "outcome")
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
    table = new_table("table", "column", "change", "rows", title="In the database")
    table.columns[3].justify = "right"
    for place in result.places:
        table.add_row(place.table, place.column, place.change, str(place.rows))
    return table


def _rewritten(result: "Erasure") -> Table:
    table = new_table("project", "number", "batch", "file", "field", "rows", title="In the inbox")
    table.columns[1].justify = table.columns[5].justify = "right"
    for one in result.batches:
        for file, fields in one.values.items():
            for field, rows in fields.items():
                table.add_row(one.project, str(one.number), one.batch, file, field, str(rows))
    return table

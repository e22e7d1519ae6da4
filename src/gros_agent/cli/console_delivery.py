"""What registrations, deliveries and the outbox look like in a terminal."""

from typing import TYPE_CHECKING

from rich.table import Table

from gros_agent.cli.console import Text, console, new_table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gros_agent.controller.answers import BigBoatStatus
    from gros_agent.deliver.delivery import Export
    from gros_agent.deliver.outbox import Waiting
    from gros_agent.deliver.person import Person
    from gros_agent.deliver.receipts import File, Receipt
    from gros_agent.deliver.registration import Registered
    from gros_agent.deliver.source_keys import Published


def print_registrations(done: "Sequence[Registered]") -> None:
    """Show what registrations did."""
    for one in done:
        table = new_table("", "", title=f"Registered {one.project}")
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
    table = new_table("file", "announced as", "rows", "bytes", "SHA-256", title=title)
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
    table = new_table("number", "made", "rows", "bytes", "batch", title=f"{project}: {_waits(len(kept))}")
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


def print_dashboard(source: str, statuses: "Sequence[BigBoatStatus]", sent: int | None) -> None:
    """Show the status of a dashboard. ``sent`` is the number of polls that the controller accepted."""
    table = new_table("name", "checked (UTC)", "ok", "value", "of at most", title=f"BigBoat dashboard {source}")
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


def print_person(found: "Person") -> None:
    """Show the pseudonyms of a person in a project, and the batches that may contain them."""
    out = console()
    table = new_table(
        "pseudonym", "given", "form", title=f"{found.project}: {len(found.pseudonyms)} possible pseudonyms"
    )
    table.columns[1].justify = "right"
    for one in found.pseudonyms:
        table.add_row(one.pseudonym, str(one.given), one.form)
    out.print(table)
    if found.sent:
        table = new_table("delivered", "to", "batch", "rows", "files", title=f"{found.project}: delivered batches")
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

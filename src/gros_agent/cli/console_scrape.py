"""What a scrape, its checks and its settings look like in a terminal."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from gros_agent.cli.console import Text, console, new_table
from gros_agent.preflight.results import Verdict
from gros_agent.project.report import Report
from gros_agent.settings.model import masked

if TYPE_CHECKING:
    from gros_agent.collect.preview import Preview
    from gros_agent.preflight.results import Result
    from gros_agent.project.report import Outcome
    from gros_agent.run.demo import Shown
    from gros_agent.settings.model import Settings

_EXAMPLE_LENGTH = 44
_COLOURS = {
    Verdict.OK: "green",
    Verdict.WARNING: "yellow",
    Verdict.FAILED: "red",
    Verdict.NOT_DUE: "cyan",
    Verdict.AWAY: "yellow",
    Verdict.SKIPPED: "dim",
}


def print_report(report: Report) -> None:
    """Show the result of a project's scrape."""
    out = console()
    if report.outcomes:
        table = new_table("source", "type", "new items", "tables", "time", "outcome", title=f"Project {report.project}")
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
    text = _end(outcome)
    return text.append(f"\ncollected by {outcome.worker}", style="dim") if outcome.worker else text


def _end(outcome: "Outcome") -> Text:
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
        shown = new_table(
            "field", "leaves", "example before", "example after", title=f"{table.table}: {table.rows} rows"
        )
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
    table = new_table("check", "result", "what was found")
    for result in results:
        detail = Text(result.detail)
        if result.hint and result.status != Verdict.OK:
            detail.append(f"\nwhat to do: {result.hint}")
        table.add_row(Text(result.name), Text(result.status, style=_COLOURS[result.status]), detail)
    console().print(table)


def print_settings(settings: "Settings", rows: Sequence[tuple[str, str, str, str]]) -> None:
    """Show settings as section, option, value and origin."""
    table = new_table("section", "option", "value", "where it comes from")
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


def print_step(name: str, text: str) -> None:
    """Show a completed step of a demo."""
    console().print(Text(f"{name:<12}", style="bold").append(text, style="not bold"))


def print_demo(shown: "Shown") -> None:
    """Show what a demo's controller received."""
    out = console()
    table = new_table("table", "rows", title="What the controller received")
    table.columns[1].justify = "right"
    for name, count in shown.rows.items():
        table.add_row(name, str(count))
    out.print()
    out.print(table)
    if shown.example:
        example = new_table("field", "value", "", title="The newest commit, as the controller has it")
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


def show(one: "Report | Preview") -> None:
    """Show a report or a preview."""
    if isinstance(one, Report):
        print_report(one)
    else:
        print_preview(one)

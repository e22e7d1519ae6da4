"""``gros-agent demo``."""

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from gros_agent.cli.options import VariableOption, current, global_options, json_option

if TYPE_CHECKING:
    from gros_agent.run.demo import MakeReport

EPILOG = """\b
Example:
  gros-agent demo --repo .
"""


@click.command("demo", epilog=EPILOG)
@click.option(
    "--repo",
    metavar="URL-or-path",
    cls=VariableOption,
    envvar="GROS_AGENT_REPO",
    help="Repository to collect. Default: the one in the working directory, or else a small new one.",
)
@click.option(
    "--keep",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="DIR",
    cls=VariableOption,
    envvar="GROS_AGENT_DEMO_KEEP",
    help="New folder for everything that the demo leaves, with the report.",
)
@json_option
@global_options
@click.pass_context
def command(ctx: click.Context, *, repo: str | None, keep: Path | None, as_json: bool) -> int:
    """Try all steps on this machine, with a controller of its own.

    Starts a controller on loopback, registers with it, checks, scrapes and delivers. Then shows what the controller
    received, and that it contains no author's name or address outside free text. Ends with a report, and leaves nothing
    behind unless it is to be kept.
    """
    from gros_agent.cli import console, console_scrape  # noqa: PLC0415 (commands load what they need when they run)
    from gros_agent.errors import ExitStatus  # noqa: PLC0415
    from gros_agent.run import demo  # noqa: PLC0415 (commands load what they need when they run)

    options = current(ctx)
    options.set_up_log(options.log or "ERROR")
    with console.ProgressBars(shown=not options.quiet and not as_json) as bars:

        def step(name: str, text: str) -> None:
            bars.clear()
            if not as_json:
                console_scrape.print_step(name, text)

        shown = demo.run(repo, step, _make_report(keep), bars, keep)
    if as_json:
        content = {
            "repository": shown.repository,
            "rows": shown.rows,
            "commits": shown.commits,
            "right": shown.is_right,
            "kept": None if shown.kept is None else str(shown.kept),
        }
        click.echo(json.dumps(content | {"people": shown.people, "found": shown.found}))
    else:
        console_scrape.print_demo(shown)
    return ExitStatus.DONE if shown.is_right else ExitStatus.UNEXPECTED


def _make_report(keep: Path | None) -> "MakeReport":
    """The last step: a report of what arrived, if what that needs is installed."""

    def make(inbox: Path, path: Path) -> str:
        from gros_agent.reporting.needs import missing_libraries  # noqa: PLC0415

        if missing_libraries():
            return "not made: install gros-agent[report] for it"
        from gros_agent.reporting import basis, making  # noqa: PLC0415 (it needs an extra)
        from gros_agent.sources.base import no_progress  # noqa: PLC0415

        with basis.of_folder(inbox, no_progress, "the controller of the demo") as found:
            content = making.content(found, ())
        written = making.write(content, path)
        where = "gone with the rest; --keep DIR keeps it" if keep is None else str(keep / path.name)
        return f"a page of {written.bytes} bytes, {where}"

    return make

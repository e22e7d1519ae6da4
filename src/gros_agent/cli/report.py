"""``gros-agent report``."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from gros_agent.cli.options import VariableOption, current, global_options, json_option
from gros_agent.cli.output import telling

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from gros_agent.cli.console import ProgressBars
    from gros_agent.reporting.basis import Basis

EPILOG = """\b
Examples:
  gros-agent report --output report.html
  gros-agent report --from duckdb:data.duckdb --project ABC --output abc.html
"""


@click.command("report", epilog=EPILOG)
@click.option(
    *("--output", "path"),
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    required=True,
    cls=VariableOption,
    envvar="GROS_AGENT_REPORT_OUTPUT",
    help="HTML file to write; replaced if it is there.",
)
@click.option(
    *("--from", "given"),
    metavar="URL-or-DIR",
    cls=VariableOption,
    envvar="GROS_AGENT_REPORT_FROM",
    help="Database (duckdb:FILE, postgresql://USER@HOST/DATABASE), inbox of a controller, or export folder of an agent."
    " Default: what lies at this agent.",
)
@click.option(
    *("--project", "projects"),
    metavar="KEY",
    multiple=True,
    cls=VariableOption,
    envvar="GROS_AGENT_REPORT_PROJECT",
    help="Key of a project; may be given several times. All that there are by default.",
)
@json_option
@global_options
@click.pass_context
def command(ctx: click.Context, *, path: Path, given: str | None, projects: tuple[str, ...], as_json: bool) -> int:
    """Write a report of what was collected, as one HTML page.

    Commits, change requests, reviews, issues, metrics, builds and people over time, with a table beside each chart, and
    what was collected when. People are numbers alone. The page loads nothing from elsewhere. If a batch in a folder
    does not fit, the report is made without it, and the exit status is 3.
    """
    from gros_agent.cli import console, console_database  # noqa: PLC0415 (commands load what they need when they run)
    from gros_agent.errors import ExitStatus  # noqa: PLC0415

    _check_extra()
    from gros_agent.reporting import making  # noqa: PLC0415 (it needs an extra)

    with console.ProgressBars(shown=not current(ctx).quiet and not as_json) as bars, _basis(ctx, given, bars) as basis:
        content = making.content(basis, projects)
        status = basis.loading.status if basis.loading else ExitStatus.DONE
    written = making.write(content, path)
    with telling():
        if as_json:
            click.echo(console.as_json([written]))
        else:
            console_database.print_written(written)
    return status


def _basis(ctx: click.Context, given: str | None, bars: "ProgressBars") -> "AbstractContextManager[Basis]":
    from gros_agent.reporting import basis  # noqa: PLC0415

    if not given:
        return basis.of_agent(current(ctx).load(), bars)
    current(ctx).set_up_log(current(ctx).log or "INFO")
    return basis.of_database(given) if basis.is_url(given) else basis.of_folder(Path(given), bars)


def _check_extra() -> None:
    """Raise :class:`ConfigurationError` if what a report needs is not installed."""
    from gros_agent.errors import ConfigurationError  # noqa: PLC0415
    from gros_agent.reporting.needs import missing_libraries  # noqa: PLC0415

    if missing := missing_libraries():
        raise ConfigurationError(
            f"a report needs {', '.join(missing)}, which is not installed", "install gros-agent[report]"
        )

"""``gros-agent tables``."""

from pathlib import Path

import click

from gros_agent.cli.options import VariableOption, current, global_options, json_option, project_option
from gros_agent.cli.output import telling

EPILOG = """\b
Examples:
  gros-agent tables --project ABC --to abc
  gros-agent tables --project ABC --to abc --format duckdb
"""


@click.command("tables", epilog=EPILOG)
@project_option
@click.option(
    *("--to", "target"),
    type=click.Path(path_type=Path),
    metavar="DIR",
    required=True,
    cls=VariableOption,
    envvar="GROS_AGENT_TABLES_TO",
    help="New folder for the files.",
)
@click.option(
    *("--format", "form"),
    type=click.Choice(["parquet", "csv", "ndjson", "duckdb"]),
    default="parquet",
    show_default=True,
    cls=VariableOption,
    envvar="GROS_AGENT_TABLES_FORMAT",
    help="One file of this format for each table, or one DuckDB database with all.",
)
@json_option
@global_options
@click.pass_context
def command(ctx: click.Context, *, projects: tuple[str, ...], target: Path, form: str, as_json: bool) -> None:
    """Write what was collected as tables with types, for researchers.

    These are the tables of the batch in export/KEY, with numbers, dates and moments as such, and nothing where a value
    is not known. docs/tables.md describes each table and column.
    """
    from gros_agent.cli import console, console_database  # noqa: PLC0415 (commands load what they need when they run)
    from gros_agent.deliver import outbox  # noqa: PLC0415 (commands load what they need when they run)
    from gros_agent.errors import ConfigurationError  # noqa: PLC0415
    from gros_agent.run import per_project  # noqa: PLC0415

    settings = current(ctx).load()
    project = per_project.choose_project(settings, projects)
    try:
        from gros_agent.database.table_files import Format, write_tables  # noqa: PLC0415 (it needs an extra)
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] == "gros_agent":
            raise
        raise ConfigurationError(
            f"tables with types need {error.name}, which is not installed", "install gros-agent[database]"
        ) from None
    written = write_tables(settings.home.export / project, target, Format(form))
    earlier = sum(one.manifest.identifier != written.batch for one in outbox.waiting(settings.project(project)))
    with telling():
        if as_json:
            click.echo(console.as_json([written]))
        else:
            console_database.print_tables(written, earlier)

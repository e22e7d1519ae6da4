"""``gros-agent config show``."""

import json

import click

from gros_agent.cli.options import VariableOption, current, global_options, json_option

EPILOG = """\b
Example:
  gros-agent config show
"""


@click.group("config", epilog=EPILOG)
@global_options
def command() -> None:
    """Show every setting and where it comes from."""


@command.command("show", epilog=EPILOG)
@click.option(
    "--all",
    "empty",
    is_flag=True,
    cls=VariableOption,
    envvar="GROS_AGENT_ALL",
    help="Show options without a value too.",
)
@json_option
@global_options
@click.pass_context
def show(ctx: click.Context, *, empty: bool, as_json: bool) -> None:
    """Show every setting, its value and where it comes from.

    Secrets are masked. The origin of an option is its line in a file, or the variable that a template took it from.
    """
    from gros_agent.cli import console_scrape  # noqa: PLC0415 (commands load what they need when they run)

    settings = current(ctx).load()
    rows = console_scrape.setting_rows(settings, empty=empty)
    if as_json:
        keys = ("section", "option", "value", "origin")
        listed = [dict(zip(keys, row, strict=True)) for row in rows]
        click.echo(json.dumps({"home": str(settings.home.root), "settings": listed}, indent=2))
    else:
        console_scrape.print_settings(settings, rows)

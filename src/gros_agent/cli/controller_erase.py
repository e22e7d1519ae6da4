"""``gros-agent controller erase``."""

from pathlib import Path

import click

from gros_agent.cli.options import VariableOption, current, global_options, json_option
from gros_agent.cli.output import telling
from gros_agent.runtime.masking import shown_in

EPILOG = """\b
Example:
  gros-agent controller erase --from duckdb:data.duckdb --inbox controller/inbox - < pseudonyms.txt
"""


@click.command("erase", epilog=EPILOG)
@click.argument("pseudonyms", nargs=-1, metavar="PSEUDONYM...")
@click.option(
    *("--from", "url"),
    metavar="URL",
    cls=VariableOption,
    envvar="GROS_AGENT_CONTROLLER_ERASE_FROM",
    show_envvar=True,
    help="Database, as for controller load.",
)
@click.option(
    "--inbox",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="DIR",
    cls=VariableOption,
    envvar="GROS_AGENT_CONTROLLER_ERASE_INBOX",
    help="The folder inbox of the controller: change its files, too. They stay as they are by default.",
)
@json_option
@global_options
@click.pass_context
def command(
    ctx: click.Context, *, pseudonyms: tuple[str, ...], url: str | None, inbox: Path | None, as_json: bool
) -> int:
    """Erase people from a database and an inbox, by their pseudonyms.

    The pseudonyms become NULL in all tables, and are replaced by a word where they are in free text. Rows stay; those
    about the person alone are removed. Later batches don't bring the person back: a hash of each pseudonym is kept in
    the table gros.erased, and in the inbox.

    With -, the pseudonyms are read from the standard input, one a line. At the agent, gros-agent person shows those of
    a person.
    """
    from gros_agent.cli import console_database  # noqa: PLC0415 (commands load what they need when they run)
    from gros_agent.cli.given import given_texts  # noqa: PLC0415
    from gros_agent.database import erasure  # noqa: PLC0415
    from gros_agent.errors import ConfigurationError  # noqa: PLC0415

    current(ctx).set_up_log(current(ctx).log or "INFO")
    if url is None and inbox is None:
        raise ConfigurationError("neither a database nor an inbox was named", "give --from URL, --inbox DIR, or both")
    result = erasure.erase(given_texts(pseudonyms), url, inbox)
    with telling():
        if as_json:
            import msgspec  # noqa: PLC0415

            click.echo(msgspec.json.format(msgspec.json.encode(shown_in(msgspec.to_builtins(result)))))
        else:
            console_database.print_erasure(result)
    return result.status

"""``gros-agent version``."""

import os
from pathlib import Path

import click

from gros_agent import __version__
from gros_agent.cli.options import VariableOption, current, global_options, json_option

EPILOG = """\b
Example:
  gros-agent version --stamp > VERSION
"""


@click.command("version", epilog=EPILOG)
@click.option(
    "--stamp",
    is_flag=True,
    cls=VariableOption,
    envvar="GROS_AGENT_STAMP",
    help="Print the content of VERSION for this checkout.",
)
@click.option(
    "--check",
    is_flag=True,
    cls=VariableOption,
    envvar="GROS_AGENT_CHECK",
    help="Ask the controller whether the agent is up to date.",
)
@json_option
@global_options
@click.pass_context
def command(ctx: click.Context, *, stamp: bool, check: bool, as_json: bool) -> None:
    """Show the agent's version string.

    This is the module version, followed by the branch and commit if a VERSION file has them.
    """
    from gros_agent.settings import version  # noqa: PLC0415 (commands load what they need when they run)
    from gros_agent.settings.home import Home  # noqa: PLC0415

    if stamp:
        from gros_agent.sources.git.access import base_environment  # noqa: PLC0415

        text = version.stamp(Path.cwd(), base_environment())
    else:
        text = version.version(Home.of(current(ctx).root, os.environ))
    answer = _ask(ctx) if check else None
    if as_json:
        import json  # noqa: PLC0415

        content = {"version": text, "module": __version__} | ({"controller": answer} if answer else {})
        match = version.STAMPED.fullmatch(text)
        if match and match["commit"]:
            content |= {"branch": match["branch"], "commit": match["commit"]}
        text = json.dumps(content)
    elif answer:
        text = f"{text}: {answer}"
    click.echo(text)


def _ask(ctx: click.Context) -> str:
    from gros_agent.controller.https import ControllerClient  # noqa: PLC0415

    client = ControllerClient(current(ctx).load())
    answer = client.version(client.agent_version)
    if answer is None:
        return "the controller can't tell whether it is up to date"
    return "up to date" if answer.up_to_date else f"the controller knows {answer.version}: update the agent"

"""``gros-agent demo``."""

import json

import click

from gros_agent.cli.options import VariableOption, current, global_options, json_option

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
@json_option
@global_options
@click.pass_context
def command(ctx: click.Context, *, repo: str | None, as_json: bool) -> int:
    """Try all steps on this machine, with a controller of its own.

    Starts a controller on loopback, registers with it, checks, scrapes and delivers. Then shows what the controller
    received, and that it contains no author's name or address outside free text. Leaves nothing behind.
    """
    from gros_agent.cli import console  # noqa: PLC0415 (commands load what they need when they run)
    from gros_agent.errors import ExitStatus  # noqa: PLC0415
    from gros_agent.run import demo  # noqa: PLC0415 (commands load what they need when they run)

    options = current(ctx)
    options.set_up_log(options.log or "ERROR")
    with console.ProgressBars(shown=not options.quiet and not as_json) as bars:

        def step(name: str, text: str) -> None:
            bars.clear()
            if not as_json:
                console.print_step(name, text)

        shown = demo.run(repo, step, bars)
    if as_json:
        content = {
            "repository": shown.repository,
            "rows": shown.rows,
            "commits": shown.commits,
            "right": shown.is_right,
        }
        click.echo(json.dumps(content | {"people": shown.people, "found": shown.found}))
    else:
        console.print_demo(shown)
    return ExitStatus.DONE if shown.is_right else ExitStatus.UNEXPECTED

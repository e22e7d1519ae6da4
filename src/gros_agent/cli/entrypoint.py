"""``gros-agent entrypoint``."""

import os
import sys

import click

from gros_agent.cli.options import VariableOption, current, global_options, unknown_variables

EPILOG = """\b
Example:
  CRON_PERIOD=hourly JIRA_KEY=ABC gros-agent entrypoint
"""


@click.command("entrypoint", epilog=EPILOG)
@click.option(
    "--listen",
    metavar="ADDRESS",
    default="127.0.0.1",
    show_default=True,
    cls=VariableOption,
    envvar="GROS_AGENT_LISTEN",
    help="IP address of the web interface.",
)
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    metavar="PORT",
    default=7070,
    show_default=True,
    cls=VariableOption,
    envvar="GROS_AGENT_PORT",
    help="Port of the web interface; 0 for a free one.",
)
@global_options
@click.pass_context
def command(ctx: click.Context, *, listen: str, port: int) -> None:
    """Work as the environment says: once, periodically, or on request.

    With JENKINS_URL, runs once for each project and exits. With CRON_PERIOD, stays up and runs periodically. Otherwise
    stays up and runs on request. The container image starts this command.
    """
    from gros_agent.cli.preflight import read_arguments  # noqa: PLC0415 (commands load what they need)
    from gros_agent.errors import ConfigurationError  # noqa: PLC0415
    from gros_agent.service import entrypoint, modes  # noqa: PLC0415
    from gros_agent.service.image.user import give_name, step_down  # noqa: PLC0415
    from gros_agent.service.live_settings import LastGood  # noqa: PLC0415
    from gros_agent.settings.home import Home  # noqa: PLC0415
    from gros_agent.settings.version import version  # noqa: PLC0415

    options = current(ctx)
    options.set_up_log(options.log or "INFO")
    home = Home.of(options.root, os.environ)
    step_down(home)
    give_name(home)
    settings = options.load(tell=False)
    read_arguments(ctx, settings, skip=False)  # errors in them are reported now, not when they are needed
    entrypoint.prepare(settings)
    mode, reason = modes.mode_of(settings)
    entrypoint.log.info("gros-agent %s in %s mode, %s", version(settings.home), mode, reason)
    for warning in settings.warnings:
        entrypoint.log.warning("%s", warning)
    agent = (sys.executable, "-m", "gros_agent", "--home", str(settings.home.root))
    if mode is modes.ServiceMode.JENKINS:
        os.execv(sys.executable, (*agent, "run", "--trigger", "jenkins"))  # noqa: S606 (this very program)
    try:
        entrypoint.stay(LastGood(options.root, os.environ, unknown_variables), agent, listen, port)
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] == "gros_agent":
            raise
        raise ConfigurationError(
            f"staying up needs {error.name}, which is not installed", "install gros-agent[daemon]"
        ) from None

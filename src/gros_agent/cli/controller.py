"""``gros-agent controller``, and ``gros-agent controller serve``."""

from pathlib import Path

import click

from gros_agent.cli import controller_erase, controller_load
from gros_agent.cli.options import VariableOption, current, global_options

EPILOG = """\b
Example:
  gros-agent controller serve --folder controller --project ABC
"""
_FILE = click.Path(path_type=Path, dir_okay=False)
_FOLDER = click.Path(path_type=Path, file_okay=False)
_PORT = click.IntRange(0, 65535)


@click.group("controller", epilog=EPILOG)
@global_options
def command() -> None:
    """Run a reference controller: the other side of the agent."""


command.add_command(controller_load.command)
command.add_command(controller_erase.command)


@command.command("serve", epilog=EPILOG)
@click.option(
    "--folder",
    type=_FOLDER,
    metavar="DIR",
    required=True,
    cls=VariableOption,
    envvar="GROS_AGENT_CONTROLLER_FOLDER",
    help="Folder for all files; created if it is missing.",
)
@click.option(
    "--listen",
    metavar="ADDRESS",
    default="127.0.0.1",
    show_default=True,
    cls=VariableOption,
    envvar="GROS_AGENT_CONTROLLER_LISTEN",
    help="IP address to listen at.",
)
@click.option(
    *("--name", "names"),
    metavar="HOSTNAME",
    multiple=True,
    cls=VariableOption,
    envvar="GROS_AGENT_CONTROLLER_NAME",
    help="Another host name for a new certificate; may be given several times.",
)
@click.option(
    "--https-port",
    type=_PORT,
    metavar="PORT",
    default=8443,
    show_default=True,
    cls=VariableOption,
    envvar="GROS_AGENT_CONTROLLER_HTTPS_PORT",
    help="Port of the HTTPS API; 0 for a free one.",
)
@click.option(
    "--ssh-port",
    type=_PORT,
    metavar="PORT",
    default=8022,
    show_default=True,
    cls=VariableOption,
    envvar="GROS_AGENT_CONTROLLER_SSH_PORT",
    help="Port of the SSH server; 0 for a free one.",
)
@click.option(
    "--no-sftp", is_flag=True, cls=VariableOption, envvar="GROS_AGENT_CONTROLLER_NO_SFTP", help="Refuse SFTP."
)
@click.option(
    "--no-scp", is_flag=True, cls=VariableOption, envvar="GROS_AGENT_CONTROLLER_NO_SCP", help="Refuse classic scp."
)
@click.option(
    *("--project", "projects"),
    metavar="KEY",
    multiple=True,
    cls=VariableOption,
    envvar="GROS_AGENT_CONTROLLER_PROJECT",
    help="A project that agents may register for; may be given several times. Any key by default.",
)
@click.option(
    "--days",
    type=click.IntRange(min=0, max=36500),
    metavar="N",
    cls=VariableOption,
    envvar="GROS_AGENT_CONTROLLER_DAYS",
    help="Days between two scrapes of a project; no schedule by default.",
)
@click.option(
    "--drift",
    type=click.IntRange(min=0, max=1_000_000),
    metavar="MINUTES",
    default=0,
    show_default=True,
    cls=VariableOption,
    envvar="GROS_AGENT_CONTROLLER_DRIFT",
    help="How much earlier than that a scrape may start, in minutes.",
)
@click.option(
    *("--network", "networks"),
    metavar="KEY=CIDR",
    multiple=True,
    cls=VariableOption,
    envvar="GROS_AGENT_CONTROLLER_NETWORK",
    help="Network of a project's agents; may be given several times. Any by default.",
)
@click.option(
    "--publish",
    type=_FOLDER,
    metavar="DIR",
    cls=VariableOption,
    envvar="GROS_AGENT_CONTROLLER_PUBLISH",
    help="Folder for a copy of the certificate for agents, wwwgros.crt, as the configuration web UI names it.",
)
@click.option(
    "--environment",
    type=_FILE,
    metavar="FILE",
    cls=VariableOption,
    envvar="GROS_AGENT_CONTROLLER_ENVIRONMENT",
    help="Environment file that agents get for a scrape.",
)
@click.option(
    "--usernames",
    type=_FILE,
    metavar="FILE",
    cls=VariableOption,
    envvar="GROS_AGENT_CONTROLLER_USERNAMES",
    help="JSON list of username patterns that agents get.",
)
@click.option(
    "--load-to",
    metavar="URL",
    default="",
    cls=VariableOption,
    envvar="GROS_AGENT_CONTROLLER_LOAD_TO",
    show_envvar=True,
    help="Database that batches are loaded into: duckdb:FILE, or postgresql://USER@HOST/DATABASE. Other users see an"
    " option's password.",
)
@global_options
@click.pass_context
def serve(
    ctx: click.Context,
    *,
    folder: Path,
    listen: str,
    names: tuple[str, ...],
    https_port: int,
    ssh_port: int,
    no_sftp: bool,
    no_scp: bool,
    projects: tuple[str, ...],
    days: int | None,
    drift: int,
    networks: tuple[str, ...],
    publish: Path | None,
    environment: Path | None,
    usernames: Path | None,
    load_to: str,
) -> None:
    """Serve an HTTPS API and SSH for agents, and store what they deliver.

    Once both listen, prints one JSON line with the ports, the certificate's path and the folder.
    """
    from gros_agent.errors import ConfigurationError  # noqa: PLC0415 (commands load what they need when they run)

    level = current(ctx).log or "INFO"
    current(ctx).set_up_log(level)
    try:
        from gros_agent.reference.serve import run  # noqa: PLC0415 (and it needs what an extra installs)
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] == "gros_agent":
            raise
        raise ConfigurationError(
            f"the reference controller needs {error.name}, which is not installed", "install gros-agent[controller]"
        ) from None
    from gros_agent.reference.serve_options import ServeOptions, parse_networks, read_usernames  # noqa: PLC0415

    run(
        ServeOptions(
            folder=folder,
            listen=listen,
            names=names,
            https_port=https_port,
            ssh_port=ssh_port,
            sftp=not no_sftp,
            scp=not no_scp,
            projects=projects,
            days=days,
            drift=drift,
            networks=parse_networks(networks),
            publish=publish,
            environment=environment,
            usernames=read_usernames(usernames),
            load_to=load_to,
            command_options=("--log", level, "--log-format", current(ctx).log_format),
        )
    )

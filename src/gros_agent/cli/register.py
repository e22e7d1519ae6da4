"""``gros-agent register``."""

import json
from pathlib import Path

import click

from gros_agent.cli.options import (
    EnvironmentOption,
    cert_option,
    controller_overrides,
    current,
    global_options,
    json_option,
    known_hosts_option,
    no_ssh_option,
    project_option,
    ssh_option,
)

EPILOG = """\b
Example:
  gros-agent register --project ABC --ssh controller.example --cert certs/controller.crt
"""


@click.command("register", epilog=EPILOG)
@project_option
@click.option(
    "--path",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="KEYFILE",
    cls=EnvironmentOption,
    envvar="GROS_AGENT_PATH",
    help="The agent's SSH private key; made if it is missing.",
)
@ssh_option
@no_ssh_option
@cert_option
@known_hosts_option
@click.option(
    "--rotate",
    is_flag=True,
    cls=EnvironmentOption,
    envvar="GROS_AGENT_ROTATE",
    help="Replace the key pair by a new one; the old one stays until the controller took the new one.",
)
@click.option(
    "--dry-run",
    is_flag=True,
    cls=EnvironmentOption,
    envvar="GROS_AGENT_DRY_RUN",
    help="Say what would be sent to whom, and do nothing.",
)
@json_option
@global_options
@click.pass_context
def command(
    ctx: click.Context,
    *,
    projects: tuple[str, ...],
    path: Path | None,
    ssh: str | None,
    no_ssh: bool,
    cert: Path | None,
    known_hosts: Path | None,
    rotate: bool,
    dry_run: bool,
    as_json: bool,
) -> int:
    """Make the agent known to the controller, and get a project's secrets.

    Makes the key pair if it is missing, sends the public part, stores the project's secrets and pins the controller's
    SSH host key. The controller clears what the agent has there, so open deliveries are finished first.
    """
    from gros_agent import console, pipeline, registration  # noqa: PLC0415 (commands load what they need)
    from gros_agent.controller.client import ControllerClient  # noqa: PLC0415
    from gros_agent.errors import ExitStatus  # noqa: PLC0415

    settings = current(ctx).load(controller_overrides(ssh, cert, no_ssh=no_ssh))
    chosen = pipeline.choose_projects(settings, projects)
    key = path.absolute() if path else None
    if dry_run:
        host, port = ControllerClient(settings).host
        for project in chosen:
            plan = registration.plan(settings, project, key, rotate=rotate)
            click.echo(f"{project}: would send {plan} to https://{host}:{port}/auth/agent.py")
        return ExitStatus.DONE
    done = [
        registration.register(
            settings, project, registration.Options(key, known_hosts, rotate=rotate and not number, no_ssh=no_ssh)
        )
        for number, project in enumerate(chosen)
    ]
    if as_json:
        click.echo(json.dumps([one.rows() for one in done], indent=2))
    else:
        console.print_registrations(done)
    return ExitStatus.DONE

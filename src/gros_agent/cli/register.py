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
from gros_agent.cli.output import telling
from gros_agent.runtime.masking import shown, shown_in

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
    help="The agent's SSH private key; created if it is missing.",
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
    help="Replace the key pair by a new one; the old one is kept until the controller has accepted the new one.",
)
@click.option(
    "--force",
    is_flag=True,
    cls=EnvironmentOption,
    envvar="GROS_AGENT_FORCE",
    help="Register even if an open delivery can't be finished: its batch is kept and delivered again.",
)
@click.option(
    "--source/--no-source",
    "to_sources",
    default=False,
    cls=EnvironmentOption,
    envvar="GROS_AGENT_SOURCE_KEYS",
    help="Add the public key to the user's keys on the systems that host the project's sources.",
)
@click.option(
    "--gitlab",
    metavar="HOST",
    multiple=True,
    cls=EnvironmentOption,
    envvar="GROS_AGENT_GITLAB",
    help="Add the key on this GitLab host; may be given several times.",
)
@click.option(
    "--credentials",
    is_flag=True,
    cls=EnvironmentOption,
    envvar="GROS_AGENT_CREDENTIALS",
    help="For hosts with a key of their own in credentials.cfg, add that key on the host.",
)
@click.option(
    "--dry-run",
    is_flag=True,
    cls=EnvironmentOption,
    envvar="GROS_AGENT_DRY_RUN",
    help="Show what would be sent where, and do nothing.",
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
    force: bool,
    to_sources: bool,
    gitlab: tuple[str, ...],
    credentials: bool,
    dry_run: bool,
    as_json: bool,
) -> int:
    """Register the agent with the controller, and get a project's secrets.

    Creates the key pair if it is missing, sends the public part, stores the project's secrets and pins the controller's
    SSH host key. The controller clears the agent's files, so open deliveries are finished first.

    With --source, --gitlab or --credentials the public key is also added on systems that host sources, with the title
    "GROS agent for the KEY project"; an old key with that title is replaced. Needs a token that may write keys.
    """
    from gros_agent.cli import console_delivery  # noqa: PLC0415 (commands load what they need)
    from gros_agent.controller.https import ControllerClient  # noqa: PLC0415
    from gros_agent.deliver import registration, source_keys  # noqa: PLC0415 (commands load what they need)
    from gros_agent.errors import ExitStatus  # noqa: PLC0415
    from gros_agent.run import per_project  # noqa: PLC0415 (commands load what they need)

    settings = current(ctx).load(controller_overrides(ssh, cert, no_ssh=no_ssh))
    chosen = per_project.choose_projects(settings, projects)
    key = path.absolute() if path else None
    where = source_keys.Where(to_sources, gitlab, credentials)
    if dry_run:
        host, port = ControllerClient(settings).host
        for project in chosen:
            plan = registration.plan(settings.project(project), key, rotate=rotate)
            click.echo(f"{project}: would send {plan} to https://{host}:{port}/auth/agent.py")
            for one in source_keys.publish(settings.project(project), where, key, dry_run=True):
                click.echo(shown(f"{project}: {one.host}: {one.key}: {one.error or one.outcome}"))
        return ExitStatus.DONE
    done = [
        registration.register(
            settings.project(project),
            registration.RegistrationOptions(
                key, known_hosts, rotate=rotate and not number, no_ssh=no_ssh, force=force
            ),
        )
        for number, project in enumerate(chosen)
    ]
    published = [
        one for project in chosen for one in source_keys.publish(settings.project(project), where, key, dry_run=False)
    ]
    with telling():
        if as_json:
            keys = [{"project": one.project, "host": one.host, "key": one.error or one.outcome} for one in published]
            click.echo(json.dumps(shown_in([*(one.rows() for one in done), *keys]), indent=2))
        else:
            console_delivery.print_registrations(done)
            console_delivery.print_published(published)
    return ExitStatus.PARTLY if any(one.error for one in published) else ExitStatus.DONE

"""``gros-agent preflight``."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from gros_agent.cli.options import (
    EnvironmentOption,
    cert_option,
    controller_overrides,
    current,
    global_options,
    json_option,
    no_ssh_option,
    project_option,
    ssh_option,
    timeout_option,
)
from gros_agent.runtime.masking import shown_in

if TYPE_CHECKING:
    from gros_agent.run.watching import Checks
    from gros_agent.settings.model import Settings

EPILOG = """\b
Example:
  gros-agent preflight --no-secrets --no-ssh
"""
_PATH = click.Path(path_type=Path)


@click.command("preflight", epilog=EPILOG)
@project_option
@click.option(
    "--secrets",
    type=_PATH,
    metavar="PATH",
    cls=EnvironmentOption,
    envvar="GROS_AGENT_SECRETS",
    help="Check this secrets file.",
)
@click.option(
    "--no-secrets",
    is_flag=True,
    cls=EnvironmentOption,
    envvar="GROS_AGENT_NO_SECRETS",
    help="Skip the secrets.",
)
@ssh_option
@no_ssh_option
@cert_option
@click.option(
    "--skip",
    is_flag=True,
    cls=EnvironmentOption,
    envvar="GROS_AGENT_SKIP",
    help="Run all checks, and end with status 0 whatever they find.",
)
@timeout_option
@json_option
@global_options
@click.pass_context
def command(
    ctx: click.Context,
    *,
    projects: tuple[str, ...],
    secrets: Path | None,
    no_secrets: bool,
    ssh: str | None,
    no_ssh: bool,
    cert: Path | None,
    skip: bool,
    timeout: float,
    as_json: bool,
) -> int:
    """Check whether everything is ready for a scrape.

    Each check is ok, a warning, failed, not due or skipped, and says what to do. Works without any configuration.
    """
    from gros_agent.cli import console_scrape  # noqa: PLC0415 (commands load what they need when they run)
    from gros_agent.errors import ConfigurationError, ExitStatus, Problems  # noqa: PLC0415
    from gros_agent.preflight import checks  # noqa: PLC0415 (commands load what they need when they run)
    from gros_agent.preflight.results import Scope  # noqa: PLC0415
    from gros_agent.preflight.takeover import take_over  # noqa: PLC0415
    from gros_agent.settings.environment import malformed_keys  # noqa: PLC0415

    if secrets and no_secrets:
        raise ConfigurationError("--secrets and --no-secrets contradict each other", "leave one of them out")
    settings = current(ctx).load(controller_overrides(ssh, cert, no_ssh=no_ssh), tell=False)
    Problems.raise_if(malformed_keys(projects, "option --project"))
    scope = Scope(settings, projects or settings.projects, secrets, no_secrets, no_ssh, timeout)
    results = list(checks.run(scope))
    take_over(scope)
    if as_json:
        import msgspec  # noqa: PLC0415

        click.echo(msgspec.json.format(msgspec.json.encode(shown_in(msgspec.to_builtins(results)))))
    else:
        console_scrape.print_checks(results)
    return ExitStatus.DONE if skip else checks.status_of(results)


def read_arguments(ctx: click.Context, settings: "Settings", *, skip: bool) -> "tuple[Checks, bool]":
    """The checks that PREFLIGHT_ARGS configures, and whether their results are printed as JSON.

    Options that every command has apply to the whole run. Raises :class:`ConfigurationError` for arguments that
    preflight does not have, and for those that are not allowed there.
    """
    from gros_agent.errors import ConfigurationError  # noqa: PLC0415
    from gros_agent.run.watching import Checks  # noqa: PLC0415 (commands load what they need when they run)

    variable = settings.environment.values.get("PREFLIGHT_ARGS")
    where = f"PREFLIGHT_ARGS ({variable.origin})" if variable else "PREFLIGHT_ARGS"
    try:
        given = command.make_context("PREFLIGHT_ARGS", list(settings.environment.preflight_args), parent=ctx)
    except click.exceptions.Exit:
        raise ConfigurationError(f"{where}: --help checks nothing", "leave it out") from None
    except click.ClickException as error:
        hint = "gros-agent preflight --help lists the options"
        raise ConfigurationError(f"{where}: {error.format_message()}", hint) from None
    for name in ("projects", "home"):
        if given.get_parameter_source(name) is click.core.ParameterSource.COMMANDLINE:
            option = "--project" if name == "projects" else "--home"
            raise ConfigurationError(f"{where}: {option} is not allowed there", "leave it out")
    told = given.params
    if told["secrets"] and told["no_secrets"]:
        raise ConfigurationError(f"{where}: --secrets and --no-secrets contradict each other", "leave one of them out")
    checks = Checks(
        secrets=told["secrets"],
        no_secrets=told["no_secrets"],
        no_ssh=told["no_ssh"],
        skip=skip or told["skip"],
        overrides=controller_overrides(told["ssh"], told["cert"], no_ssh=told["no_ssh"]),
        silence=told["timeout"],
    )
    return checks, told["as_json"]

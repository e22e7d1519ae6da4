"""``gros-agent scrape``."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from gros_agent.cli.clusters import cluster_options, cluster_teams
from gros_agent.cli.options import (
    EnvironmentOption,
    current,
    global_options,
    json_option,
    project_option,
    redact_option,
    source_option,
    timeout_option,
)
from gros_agent.cli.output import telling

if TYPE_CHECKING:
    from gros_agent.settings.model import Settings

EPILOG = """\b
Examples:
  gros-agent scrape --project ABC
  gros-agent scrape --project ABC --dry-run
  gros-agent scrape --project DEMO --source git=.
"""

F = TypeVar("F", bound=Callable[..., Any])


def _flag(name: str, text: str, variable: str = "") -> Callable[[F], F]:
    variable = variable or "GROS_AGENT_" + name.removeprefix("--").upper().replace("-", "_")
    return click.option(name, is_flag=True, cls=EnvironmentOption, envvar=variable, help=text)


@click.command("scrape", epilog=EPILOG)
@project_option
@source_option
@_flag("--full", "Collect everything, not only what is new.")
@_flag("--no-secrets", "Write names and addresses unchanged if a project has no secrets.", "GROS_AGENT_PLAIN")
@_flag("--make-secrets", "Create secrets for a project that has neither secrets nor a controller; this is the default.")
@_flag("--dry-run", "Write nothing, and show which fields would leave this machine in which form.")
@_flag("--no-ssh", "Use the local trackers instead of the controller's.")
@_flag("--discard", "Throw away a batch that was not delivered, and collect again.")
@click.option(
    "--repos",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="DIR",
    cls=EnvironmentOption,
    envvar="GROS_AGENT_REPOS",
    help="Folder for local clones; state/repos in the home by default.",
)
@cluster_options
@redact_option
@timeout_option
@json_option
@global_options
@click.pass_context
def command(
    ctx: click.Context,
    *,
    projects: tuple[str, ...],
    entries: tuple[str, ...],
    full: bool,
    no_secrets: bool,
    make_secrets: bool,
    dry_run: bool,
    no_ssh: bool,
    discard: bool,
    repos: Path | None,
    cluster: str | None,
    cluster_certificates: Path | None,
    shared: Path | None,
    per_host: int,
    redact_text: bool,
    timeout: float,
    as_json: bool,
) -> int:
    """Collect what is new, pseudonymise it and write the tables.

    The sources of a project are those of its data_sources.json and of --source. The result is in export/KEY: all tables
    and trackers of a scrape together, or none.
    """
    from gros_agent.cli import console, console_scrape  # noqa: PLC0415 (commands load what they need when they run)
    from gros_agent.errors import ConfigurationError  # noqa: PLC0415
    from gros_agent.project.entries import parse  # noqa: PLC0415
    from gros_agent.project.scrape_options import ScrapeOptions  # noqa: PLC0415
    from gros_agent.run import per_project  # noqa: PLC0415 (commands load what they need when they run)

    if no_secrets and make_secrets:
        raise ConfigurationError("--make-secrets and --no-secrets contradict each other", "leave one of them out")
    if dry_run and cluster:
        raise ConfigurationError("--dry-run collects on this machine, so it goes without --cluster", "leave one out")
    settings = current(ctx).load()
    chosen = per_project.choose_projects(settings, projects)
    options = ScrapeOptions(
        extra=parse(entries, Path.cwd()),
        full=full,
        no_secrets=no_secrets,
        make_secrets=make_secrets,
        discard=discard,
        no_ssh=no_ssh,
        clones=repos.absolute() if repos else None,
        silence=timeout,
        redact_text=redact_text,
    )
    told: list[Any] = []
    with console.ProgressBars(shown=not current(ctx).quiet, of_projects=cluster is not None) as bars:

        def tell(one: Any) -> None:  # noqa: ANN401 (a report or a preview)
            if as_json:
                told.append(one)
            with telling():
                bars.clear()
                if not as_json:
                    console_scrape.show(one)

        def load(project: str) -> "Settings":
            return current(ctx).load(project=project, is_alone=cluster is None)

        if dry_run:
            status = per_project.preview_projects(load, chosen, options, tell, bars)
        else:
            with cluster_teams(settings.home, cluster, cluster_certificates, shared, per_host) as teams:
                status = per_project.scrape_projects(load, chosen, options, tell, bars, teams)
    if as_json:
        with telling():
            click.echo(console.as_json(told))
    return status

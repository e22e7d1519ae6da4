"""``gros-agent run``."""

import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from gros_agent.cli.clusters import cluster_options, cluster_teams
from gros_agent.cli.options import (
    GlobalOptions,
    VariableOption,
    current,
    global_options,
    project_option,
    redact_option,
    source_option,
)
from gros_agent.cli.output import telling
from gros_agent.runtime.masking import shown, shown_in

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from contextlib import AbstractContextManager

    from gros_agent.cli.console import ProgressBars
    from gros_agent.collect.teams import Teams
    from gros_agent.deliver.receipts import Receipt
    from gros_agent.deliver.registration import Registered
    from gros_agent.options.values import Value
    from gros_agent.preflight.results import Result
    from gros_agent.project.report import Report
    from gros_agent.run.history import Ended
    from gros_agent.settings.model import Settings

_BY_HAND = "command"
EPILOG = """\b
Example:
  gros-agent run --project ABC
"""


@click.command("run", epilog=EPILOG)
@project_option
@source_option
@redact_option
@click.option(
    "--skip-preflight",
    is_flag=True,
    cls=VariableOption,
    envvar="GROS_AGENT_SKIP_PREFLIGHT",
    help="Continue whatever preflight finds, even before the scheduled time.",
)
@click.option(
    "--trigger",
    metavar="WORD",
    default=_BY_HAND,
    cls=VariableOption,
    envvar="GROS_AGENT_TRIGGER",
    hidden=True,
    help="What started the run, for the history.",
)
@cluster_options
@global_options
@click.pass_context
def command(
    ctx: click.Context,
    *,
    projects: tuple[str, ...],
    entries: tuple[str, ...],
    redact_text: bool,
    skip_preflight: bool,
    trigger: str,
    cluster: str | None,
    cluster_certificates: Path | None,
    shared: Path | None,
    per_host: int,
) -> int:
    """Do all steps for each project: register, preflight, scrape, export.

    Batches from earlier runs are delivered first. PREFLIGHT_ARGS has arguments for preflight. A project that fails does
    not stop the next, and the exit status is the worst. Changes to settings during a run apply to the next run.
    """
    from gros_agent.cli import console  # noqa: PLC0415 (commands load what they need when they run)
    from gros_agent.cli.preflight import read_arguments  # noqa: PLC0415
    from gros_agent.project.entries import parse  # noqa: PLC0415
    from gros_agent.project.scrape_options import ScrapeOptions  # noqa: PLC0415
    from gros_agent.run import per_project, runs  # noqa: PLC0415 (commands load what they need when they run)

    GlobalOptions.results_beside_log = trigger != _BY_HAND

    def load(project: str | None, overrides: "Mapping[tuple[str, str], Value]", *, given: bool) -> "Settings":
        return current(ctx).load(overrides, project, given=given, tell=False, is_alone=cluster is None)

    with (
        runs.steady_files(current(ctx).root, os.environ),
        console.ProgressBars(shown=not current(ctx).quiet, of_projects=cluster is not None) as bars,
    ):
        settings = load(None, {}, given=False)
        if ctx.get_parameter_source("projects") is not click.core.ParameterSource.COMMANDLINE:
            projects = settings.environment.projects
        chosen = per_project.choose_projects(settings, projects)
        checks, as_json = read_arguments(ctx, settings, skip=skip_preflight)
        extra = parse(entries, Path.cwd())
        options = ScrapeOptions(extra=extra, redact_text=redact_text)

        def teams() -> "AbstractContextManager[Teams]":
            return cluster_teams(settings.home, cluster, cluster_certificates, shared, per_host)

        return runs.run_projects(load, chosen, checks, options, trigger, _Printer(bars, as_json=as_json), teams)


class _Printer:
    """Shows the results of a run. Results of preflight are in the log; they are only shown here as JSON, if wanted."""

    def __init__(self, bars: "ProgressBars", *, as_json: bool) -> None:
        self._bars = bars
        self._as_json = as_json

    def progress(self, what: str, done: int, total: int | None) -> None:
        self._bars(what, done, total)

    def registered(self, done: "Registered") -> None:
        """Show nothing, since every run registers."""

    def checked(self, results: "Sequence[Result]") -> None:
        import msgspec  # noqa: PLC0415

        if self._as_json:
            with telling():
                self._bars.clear()
                click.echo(msgspec.json.format(msgspec.json.encode(shown_in(msgspec.to_builtins(results)))))

    def scraped(self, report: "Report") -> None:
        from gros_agent.cli import console_scrape  # noqa: PLC0415

        with telling():
            self._bars.clear()
            console_scrape.print_report(report)

    def delivered(self, receipt: "Receipt") -> None:
        from gros_agent.cli import console_delivery  # noqa: PLC0415

        with telling():
            self._bars.clear()
            console_delivery.print_receipt(receipt)

    def ended(self, project: str, ended: "Ended") -> None:
        from gros_agent.runtime.logs import shows_errors_beside_results  # noqa: PLC0415

        with telling():
            self._bars.clear()
            if ended.error and not shows_errors_beside_results():
                click.echo(shown(f"{project}: error: {ended.error}"))
            if ended.hint:
                click.echo(shown(f"  what to do: {ended.hint}"))

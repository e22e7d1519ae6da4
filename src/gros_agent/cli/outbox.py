"""``gros-agent outbox``."""

from typing import TYPE_CHECKING

import click

from gros_agent.cli.options import VariableOption, current, global_options, json_option, project_option
from gros_agent.cli.output import telling

if TYPE_CHECKING:
    from collections.abc import Iterable

    from gros_agent.deliver.outbox import Waiting
    from gros_agent.errors import ConfigurationError

EPILOG = """\b
Examples:
  gros-agent outbox list
  gros-agent outbox show --project ABC 3
  gros-agent outbox drop --project ABC 3
"""


@click.group("outbox", epilog=EPILOG)
@global_options
def command() -> None:
    """Show or drop the batches that wait for delivery.

    The newest batch of a project is in export/KEY, older ones are in state/outbox/KEY. A batch is removed only by its
    delivery, `drop` or `scrape --discard`.
    """


@command.command("list")
@project_option
@json_option
@global_options
@click.pass_context
def list_batches(ctx: click.Context, *, projects: tuple[str, ...], as_json: bool) -> None:
    """List the waiting batches, the oldest first, including those of projects that are no longer configured."""
    from gros_agent.cli import console_delivery  # noqa: PLC0415 (commands load what they need when they run)
    from gros_agent.deliver import outbox  # noqa: PLC0415 (commands load what they need when they run)
    from gros_agent.run import per_project  # noqa: PLC0415 (commands load what they need when they run)

    settings = current(ctx).load()
    chosen = per_project.choose_projects(settings, projects)
    if ctx.get_parameter_source("projects") is not click.core.ParameterSource.COMMANDLINE:
        chosen = tuple(dict.fromkeys((*chosen, *outbox.projects_with(settings))))
    kept = {project: outbox.waiting(settings.project(project)) for project in chosen}
    with telling():
        if as_json:
            click.echo(_json([_told(one) for found in kept.values() for one in found]))
        for project in () if as_json else chosen:
            console_delivery.print_outbox(project, kept[project])


@command.command("show")
@project_option
@click.argument("number")
@json_option
@global_options
@click.pass_context
def show(ctx: click.Context, *, projects: tuple[str, ...], number: str, as_json: bool) -> None:
    """Show the files of a waiting batch: its NUMBER in the list, or "newest"."""
    from gros_agent.cli import console_delivery  # noqa: PLC0415 (commands load what they need when they run)
    from gros_agent.deliver import outbox, receipts  # noqa: PLC0415 (commands load what they need when they run)
    from gros_agent.run import per_project  # noqa: PLC0415

    settings = current(ctx).load()
    project = per_project.choose_project(settings, projects)
    kept = outbox.waiting(settings.project(project))
    found = next((one for one in kept if _name(one) == number), None)
    if found is None:
        raise _unknown(project, number, map(_name, kept))
    files = receipts.files_of(found.folder, found.manifest)
    with telling():
        if as_json:
            click.echo(_json([_told(found) | {"files": files}]))
        else:
            console_delivery.print_batch(found, files)


@command.command("drop")
@project_option
@click.argument("numbers", nargs=-1)
@click.option(
    "--all", "everything", is_flag=True, cls=VariableOption, envvar="GROS_AGENT_ALL", help="Drop all waiting batches."
)
@click.option(
    "--fetched",
    is_flag=True,
    cls=VariableOption,
    envvar="GROS_AGENT_FETCHED",
    help="They were already fetched: the next scrape continues after them.",
)
@global_options
@click.pass_context
def drop(
    ctx: click.Context, *, projects: tuple[str, ...], numbers: tuple[str, ...], everything: bool, fetched: bool
) -> None:
    """Drop waiting batches: their NUMBERS in the list, or "newest", or --all.

    If no newer batch waits, the next scrape collects their content again, as far as the sources still have it. With
    --fetched it continues after them.
    """
    from gros_agent.deliver import outbox  # noqa: PLC0415 (commands load what they need when they run)
    from gros_agent.errors import ConfigurationError  # noqa: PLC0415
    from gros_agent.run import per_project  # noqa: PLC0415
    from gros_agent.tables.batch import ProjectFolder  # noqa: PLC0415

    settings = current(ctx).load()
    project = per_project.choose_project(settings, projects)
    if fetched and settings.controller(project):
        raise ConfigurationError(
            f"--fetched is for projects without a controller, and {project} has one",
            "its positions come from the controller; deliver the waiting batches with gros-agent export",
        )
    if bool(numbers) == everything:
        raise ConfigurationError("which batches?", "name their numbers, as gros-agent outbox list shows them, or --all")
    folder = ProjectFolder(settings.home.export / project)
    with folder.locked():
        folder.recover()
        folder.acknowledge()
        kept = outbox.waiting(settings.project(project))
        by_name = [_name(one) for one in kept]
        unknown = [number for number in numbers if number not in by_name]
        if unknown:
            raise _unknown(project, unknown[0], by_name)
        chosen = [one for one in kept if everything or _name(one) in numbers]
        outbox.check_at_home(settings.project(project), *(one.manifest.identifier for one in chosen))
        outbox.drop(settings.project(project), chosen, fetched=fetched)
    for one in chosen:
        with telling():
            click.echo(f"{project}: dropped {one.title} with {one.rows} rows")


def _unknown(project: str, number: str, waiting: "Iterable[str]") -> "ConfigurationError":
    from gros_agent.errors import ConfigurationError  # noqa: PLC0415

    known = ", ".join(waiting)
    hint = f"name one of {known}" if known else "nothing to do: no batch waits"
    return ConfigurationError(f"project {project}: no batch {number} waits", hint)


def _json(content: object) -> str:
    import msgspec  # noqa: PLC0415

    return msgspec.json.format(msgspec.json.encode(content)).decode()


def _name(one: "Waiting") -> str:
    return "newest" if one.number is None else str(one.number)


def _told(one: "Waiting") -> dict[str, object]:
    manifest = one.manifest
    return {
        "project": one.project,
        "number": one.number,
        "batch": manifest.identifier,
        "made": manifest.made,
        "rows": one.rows,
        "bytes": one.size,
        "tables": manifest.tables,
        "folder": str(one.folder),
    }

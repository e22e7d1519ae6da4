"""Who collects the parts of a scrape: threads of this machine, or what a command was given instead."""

from pathlib import Path
from typing import Protocol

from gros_agent.collect.engine import Team, threads
from gros_agent.collect.table_sink import TableSinks
from gros_agent.settings.model import ProjectSettings
from gros_agent.tables.writer import WrittenTables


class Teams(Protocol):
    """Makes a team for each scrape. ``at_once`` is the number of projects that are collected at the same time."""

    @property
    def at_once(self) -> int:
        """How many projects are collected at the same time."""
        ...

    def team(self, project: ProjectSettings, sinks: TableSinks, folder: Path) -> Team[WrittenTables]:
        """The team for the scrape of a project. Its tables are written as the sinks say, and lie in the folder."""
        ...

    def stop(self) -> None:
        """End what all teams do. Each of them raises :class:`KeyboardInterrupt`."""
        ...


class ThisMachine:
    """Teams of threads, each of which writes into a folder of its own. Projects are collected one after the other."""

    at_once = 1

    def team(self, project: ProjectSettings, sinks: TableSinks, folder: Path) -> Team[WrittenTables]:
        """The team for the scrape of a project."""
        del project
        return threads(lambda job: sinks.make(folder / f"part-{job.number}", job.part.source.tables))

    def stop(self) -> None:
        """Do nothing, since an interruption reaches the threads by itself."""

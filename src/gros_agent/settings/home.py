"""Where the agent's files lie."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Home:
    """The folder where the agent's files lie, and their places in it."""

    root: Path

    @property
    def environment_files(self) -> tuple[Path, ...]:
        """The environment files, in the order in which they are read."""
        return self.root / "env", self.root / "config" / "env"

    @property
    def version_files(self) -> tuple[Path, ...]:
        """Where a version string may have been stamped."""
        return self.root / "VERSION", self.root / "config" / "VERSION"

    @property
    def export(self) -> Path:
        """The folder with a folder of tables for each project."""
        return self.root / "export"

    @property
    def state(self) -> Path:
        """Private state between runs."""
        return self.root / "state"

    def resolve(self, path: str | Path) -> Path:
        """A path of the settings as an absolute one: relative ones start at the home, ``~`` is the user's."""
        return (self.root / Path(path).expanduser()).absolute()

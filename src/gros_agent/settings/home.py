"""Where the agent's files lie."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self

STATE_VARIABLE = "GROS_AGENT_STATE"
ENVIRONMENT_VARIABLE = "GROS_AGENT_ENVIRONMENT"
FROZEN_VARIABLE = "GROS_AGENT_FROZEN"


@dataclass(frozen=True)
class Home:
    """The folder where the agent's files lie, and their places in it.

    ``state`` is the folder for what it keeps between runs; ``given`` are environment files from elsewhere, such as the
    one that was built into an image, which are read before those of the home. ``frozen`` is a folder with copies of
    the environment and configuration files that count instead of them: a process that stays up makes it while
    somebody writes them.
    """

    root: Path
    state: Path
    given: tuple[Path, ...] = ()
    frozen: Path | None = None

    @classmethod
    def of(cls, root: Path, environ: Mapping[str, str]) -> Self:
        """The home at ``root``, as a process's environment places it."""
        root = root.absolute()
        given = environ.get(ENVIRONMENT_VARIABLE, "")
        state = root / Path(environ.get(STATE_VARIABLE) or "state").expanduser()
        frozen = environ.get(FROZEN_VARIABLE)
        return cls(
            root, state, tuple(root / path for path in given.split(":") if path), Path(frozen) if frozen else None
        )

    @staticmethod
    def frozen_name(number: int) -> str:
        """The name of the copy of an environment file."""
        return f"{number:03d}.env"

    @property
    def environment_files(self) -> tuple[Path, ...]:
        """The environment files, in the order in which they are read."""
        if self.frozen is not None:
            return tuple(sorted(self.frozen.glob("*.env")))
        return *self.given, self.root / "env", self.root / "config" / "env"

    @property
    def version_files(self) -> tuple[Path, ...]:
        """Where a version string may have been stamped."""
        return self.root / "VERSION", self.root / "config" / "VERSION"

    @property
    def export(self) -> Path:
        """The folder with a folder of tables for each project."""
        return self.root / "export"

    @property
    def key(self) -> Path:
        """The agent's own SSH private key, where no variable names another: never that of the user."""
        return self.root / ".ssh" / "id_rsa"

    @property
    def outbox(self) -> Path:
        """The folder with the batches that wait for their delivery."""
        return self.state / "outbox"

    @property
    def history(self) -> Path:
        """The file with the history of runs."""
        return self.state / "history.sqlite"

    @property
    def run_lock(self) -> Path:
        """The file that is locked while the agent works: its projects never run at once."""
        return self.state / "run.lock"

    def resolve(self, path: str | Path) -> Path:
        """A path of the settings as an absolute one: relative ones start at the home, ``~`` is the user's."""
        return (self.root / Path(path).expanduser()).absolute()

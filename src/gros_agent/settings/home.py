"""The locations of the agent's files."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self

STATE_VARIABLE = "GROS_AGENT_STATE"
ENVIRONMENT_VARIABLE = "GROS_AGENT_ENVIRONMENT"
FROZEN_VARIABLE = "GROS_AGENT_FROZEN"


@dataclass(frozen=True)
class Home:
    """The agent's home folder, and the locations in it.

    ``state`` is the folder for what is kept between runs. ``given`` are environment files from elsewhere, such as the
    one in an image; they are read before those of the home. ``frozen`` is a folder with copies of the environment and
    configuration files that are used instead of the originals; a long-running process makes them while the originals
    are being written.
    """

    root: Path
    state: Path
    given: tuple[Path, ...] = ()
    frozen: Path | None = None

    @classmethod
    def of(cls, root: Path, environ: Mapping[str, str]) -> Self:
        """The home at ``root``, with the locations that the process's environment sets."""
        root = root.absolute()
        given = environ.get(ENVIRONMENT_VARIABLE, "")
        state = root / Path(environ.get(STATE_VARIABLE) or "state").expanduser()
        frozen = environ.get(FROZEN_VARIABLE)
        return cls(
            root, state, tuple(root / path for path in given.split(":") if path), Path(frozen) if frozen else None
        )

    @staticmethod
    def frozen_name(number: int) -> str:
        """The name for the copy of an environment file."""
        return f"{number:03d}.env"

    @property
    def environment_files(self) -> tuple[Path, ...]:
        """The environment files, in reading order."""
        if self.frozen is not None:
            return tuple(sorted(self.frozen.glob("*.env")))
        return *self.given, self.root / "env", self.root / "config" / "env"

    @property
    def version_files(self) -> tuple[Path, ...]:
        """The files that may contain a version string."""
        return self.root / "VERSION", self.root / "config" / "VERSION"

    @property
    def export(self) -> Path:
        """The folder with one folder of tables per project."""
        return self.root / "export"

    @property
    def key(self) -> Path:
        """The default location of the agent's SSH private key. It is never the key of the user."""
        return self.root / ".ssh" / "id_rsa"

    @property
    def outbox(self) -> Path:
        """The folder with batches that wait for delivery."""
        return self.state / "outbox"

    @property
    def history(self) -> Path:
        """The database with the history of runs."""
        return self.state / "history.sqlite"

    @property
    def run_lock(self) -> Path:
        """The file that is locked during a run, so that only one run takes place at a time."""
        return self.state / "run.lock"

    def resolve(self, path: str | Path) -> Path:
        """Make a path of the settings absolute. Relative paths start at the home; ``~`` is the user's home folder."""
        return (self.root / Path(path).expanduser()).absolute()

"""The settings of an agent that stays up while its files change under it: the last good ones count."""

import hashlib
import logging
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import msgspec

from gros_agent.errors import ConfigurationError, Problems
from gros_agent.runtime.files import settle
from gros_agent.runtime.masking import redactor
from gros_agent.runtime.storage import make_missing, storage_errors, write_synced
from gros_agent.settings.home import FROZEN_VARIABLE, Home
from gros_agent.settings.load import files_of, load
from gros_agent.settings.model import Settings

log = logging.getLogger(__name__)


class LastGood:
    """Reads the settings again when their files changed, and keeps the last ones that could be read.

    ``problems`` are what is wrong with the files now. A process that works gets the files as they were when they were
    good: see :meth:`variables`. ``odd`` finds further warnings, which the command line alone can tell. Raises
    :class:`ConfigurationError` where the files are wrong from the start.
    """

    def __init__(
        self,
        root: Path,
        environ: Mapping[str, str],
        odd: Callable[[Settings], Iterable[str]] = lambda _: (),
    ) -> None:
        self._root = root
        self._environ = dict(environ)
        self._odd = odd
        self.settings = self._load()
        self.problems: tuple[ConfigurationError, ...] = ()
        self._seen, self._contents = _look(self.settings)
        redactor.hide(self.settings.secrets())

    def refresh(self) -> bool:
        """Read what changed. Returns whether the settings are other ones now."""
        seen, contents = _look(self.settings)
        if seen == self._seen:
            return False
        self._seen = seen
        try:
            settings = self._load()
        except ConfigurationError as error:
            self.problems = error.problems if isinstance(error, Problems) else (error,)
            for problem in self.problems:
                log.error("%s; what was good before goes on to count", problem.message)  # noqa: TRY400 (in words)
            return False
        if self.problems:
            log.info("the settings can be read again")
        self.problems, self.settings, self._contents = (), settings, contents
        redactor.hide(settings.secrets())
        return True

    def _load(self) -> Settings:
        settings = load(self._root, self._environ)
        return replace(settings, warnings=(*settings.warnings, *self._odd(settings)))

    def settle(self) -> None:
        """Wait until nobody writes the files."""
        if not settle(lambda: files_of(self._root, self._environ)):
            log.warning("the configuration files change on and on")

    def variables(self) -> dict[str, str]:
        """The environment for a process that works. While files are wrong it leads to copies of the good ones.

        Raises :class:`AgentError` where those can't be written.
        """
        if not self.problems:
            return dict(self._environ)
        digest = hashlib.sha256(msgspec.json.encode(self._contents)).hexdigest()
        folder = self._folder / digest[:16]
        if not folder.exists():  # another process may still read what was good before this
            with storage_errors(self._folder.parent):
                make_missing(self._folder)
                writing = Path(tempfile.mkdtemp(dir=self._folder))
                for name, content in self._contents.items():
                    write_synced(writing / name, content, 0o600)
                writing.rename(folder)
        return self._environ | {FROZEN_VARIABLE: str(folder)}

    def clear(self) -> None:
        """Remove the copies; to be called while no process works."""
        shutil.rmtree(self._folder, ignore_errors=True)

    @property
    def _folder(self) -> Path:
        return self.settings.home.state / "last-good"


def _look(settings: Settings) -> tuple[list[tuple[int, ...] | None], dict[str, bytes]]:
    """How the files look from outside, and what is in those that can be read, by their names for a frozen folder."""
    seen: list[tuple[int, ...] | None] = []
    contents: dict[str, bytes] = {}
    for name, path in _files(settings):
        try:
            found = path.stat()
            seen.append((found.st_mtime_ns, found.st_size, found.st_ino, found.st_mode))
            contents[name] = path.read_bytes()
        except OSError:
            seen.append(None)
    return seen, contents


def _files(settings: Settings) -> Iterator[tuple[str, Path]]:
    for number, path in enumerate(settings.home.environment_files):
        yield Home.frozen_name(number), path / "env" if path.is_dir() else path
    yield settings.settings_file.name, settings.settings_file
    yield settings.credentials_file.name, settings.credentials_file

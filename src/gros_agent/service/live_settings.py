"""The settings of a daemon, whose files may change while it runs: it uses the last valid ones."""

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
    """Reads the settings again when their files change, and keeps the last valid settings.

    ``problems`` are the errors in the files now. Processes get the last valid content of the files: see
    :meth:`variables`. ``odd`` finds further warnings that only the command line knows. Raises
    :class:`ConfigurationError` if the files are wrong from the start.
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
        """Read the files again if they changed. Returns whether there are new settings."""
        seen, contents = _look(self.settings)
        if seen == self._seen:
            return False
        self._seen = seen
        try:
            settings = self._load()
        except ConfigurationError as error:
            self.problems = error.problems if isinstance(error, Problems) else (error,)
            for problem in self.problems:
                log.error("%s; the last valid settings stay in use", problem.message)  # noqa: TRY400 (in words)
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
        """Wait until the files no longer change."""
        if not settle(lambda: files_of(self._root, self._environ)):
            log.warning("the configuration files keep changing")

    def variables(self) -> dict[str, str]:
        """The environment for a process. While files are wrong, it refers to copies of the last valid ones.

        Raises :class:`AgentError` if the copies can't be written.
        """
        if not self.problems:
            return dict(self._environ)
        digest = hashlib.sha256(msgspec.json.encode(self._contents)).hexdigest()
        folder = self._folder / digest[:16]
        if not folder.exists():  # a new folder each time, since another process may still read older copies
            with storage_errors(self._folder.parent):
                make_missing(self._folder)
                writing = Path(tempfile.mkdtemp(dir=self._folder))
                for name, content in self._contents.items():
                    write_synced(writing / name, content, 0o600)
                writing.rename(folder)
        return self._environ | {FROZEN_VARIABLE: str(folder)}

    def clear(self) -> None:
        """Remove the copies. Call only while no process runs."""
        shutil.rmtree(self._folder, ignore_errors=True)

    @property
    def _folder(self) -> Path:
        return self.settings.home.state / "last-good"


def _look(settings: Settings) -> tuple[list[tuple[int, ...] | None], dict[str, bytes]]:
    """The files' state (modification time, size, inode, mode), and the content of the readable ones by name."""
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

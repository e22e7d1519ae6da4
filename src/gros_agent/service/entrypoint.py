"""What happens when a container starts: prepare the files and, depending on the mode, keep running."""

import asyncio
import logging
import signal
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from gros_agent.errors import AgentError
from gros_agent.privacy import secrets
from gros_agent.runtime.storage import make_private, replace_file, storage_errors
from gros_agent.service.live_settings import LastGood
from gros_agent.settings import ini
from gros_agent.settings.model import Settings
from gros_agent.settings.version import version

log = logging.getLogger(__name__)


def prepare(settings: Settings) -> None:
    """Make missing files: configuration files from their templates, and a file with the version for other programs.

    The image has the folders of secrets and keys open to their group, for users without a name. If they belong to the
    agent's user, they are closed.

    A place that can't be written is only a warning: existing files are used, and preflight says what is missing.
    """
    home = settings.home
    for folder in (secrets.candidates(home.root, "")[0].parent, home.root / ".ssh"):
        if folder.is_dir():
            _or_warn(partial(make_private, folder))
    for path, what, sections in (
        (settings.settings_file, "the settings file", settings.sections),
        (settings.credentials_file, "the credentials file", settings.hosts),
    ):
        if not path.exists():
            _or_warn(partial(ini.write_new, path, what, sections))
    config = home.root / "config"
    if config.is_dir():
        _or_warn(partial(_keep_version, config / "VERSION", version(home)))


def _keep_version(path: Path, text: str) -> None:
    with storage_errors(path.parent):
        if not path.exists() or path.read_text(encoding="utf-8", errors="replace") != f"{text}\n":
            replace_file(path, f"{text}\n".encode())


def _or_warn(make: Callable[[], None]) -> None:
    try:
        make()
    except AgentError as error:
        log.warning("%s; what to do: %s", error.message, error.hint)


def stay(good: LastGood, command: Sequence[str], address: str, port: int) -> None:
    """Serve the web interface and run periodically, until SIGTERM or SIGINT arrives."""
    asyncio.run(_stay(good, command, address, port))


async def _stay(good: LastGood, command: Sequence[str], address: str, port: int) -> None:
    from gros_agent.service.daemon import Daemon  # noqa: PLC0415 (needs what an extra installs)
    from gros_agent.service.web import Server  # noqa: PLC0415

    stopped = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    daemon = Daemon(good, command)
    server = Server(daemon, address, port)
    await server.start()
    log.info("ready: the web interface is at %s port %d", address, server.port)
    try:
        await daemon.work(stopped)
    finally:
        await server.stop()
        log.info("stopped")

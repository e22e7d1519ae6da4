"""The agent's user in a container: not root, and with a name."""

import contextlib
import logging
import os
import pwd
from collections.abc import Iterator
from pathlib import Path

from gros_agent.errors import ConfigurationError
from gros_agent.runtime.storage import make_private, replace_file, storage_errors
from gros_agent.settings.home import Home

log = logging.getLogger(__name__)

USER_VARIABLE = "GROS_AGENT_USER"
"""The user to change to if a container is started as root; the image sets it."""
_LIBRARY = "libnss_wrapper.so"


def step_down(home: Home) -> None:
    """If root runs the container, give the agent's folders to the agent's user, and change to that user.

    Do nothing for other users, or if :data:`USER_VARIABLE` is not set. Raises :class:`ConfigurationError` if the user
    does not exist or can't be changed to.
    """
    name = os.environ.get(USER_VARIABLE)
    if not name or os.getuid() != 0:
        return
    try:
        user = pwd.getpwnam(name)
    except KeyError:
        raise ConfigurationError(f"{USER_VARIABLE}: there is no user {name}", "name a user of the image") from None
    for folder in (home.export, home.root / "config", home.root / ".ssh", home.root / "secrets", home.state):
        _give(folder, user)
    try:
        os.initgroups(user.pw_name, user.pw_gid)
        os.setgid(user.pw_gid)
        os.setuid(user.pw_uid)
    except PermissionError:
        raise ConfigurationError(
            "started as root, but without the capabilities to change to another user",
            "leave --user 0 out, or add the capabilities SETUID and SETGID",
        ) from None
    os.environ["HOME"] = user.pw_dir


def _give(folder: Path, user: pwd.struct_passwd) -> None:
    repaired = 0
    try:
        for path in _not_of(folder, user.pw_uid):
            os.chown(path, user.pw_uid, user.pw_gid, follow_symlinks=False)
            repaired += 1
    except OSError as error:
        words = "%s: can't be given to %s: %s"
        log.warning(words, error.filename or folder, user.pw_name, error.strerror)
    if repaired:
        log.info("%s: gave %d files and folders to %s", folder, repaired, user.pw_name)


def _not_of(folder: Path, uid: int) -> Iterator[Path]:
    """Yield everything in a folder, and itself, that does not belong to the user. Links are not followed."""
    if not folder.is_dir() or folder.is_symlink():
        return
    for current, names, files in os.walk(folder, onerror=_raise):
        here = Path(current)
        for path in (here, *(here / name for name in (*names, *files))):
            if path.lstat().st_uid != uid:
                yield path


def _raise(error: OSError) -> None:
    raise error


def give_name(home: Home) -> None:
    """Give a nameless user a name, for programs that need it (ssh), by ``nss_wrapper`` and files in the state folder.

    A state folder that can't be written is no error here; later steps report it.
    """
    try:
        pwd.getpwuid(os.getuid())
    except KeyError:
        pass
    else:
        return
    passwd, group = home.state / "passwd", home.state / "group"
    with contextlib.suppress(OSError, ConfigurationError), storage_errors(home.state):
        make_private(home.state)
        replace_file(passwd, f"agent:x:{os.getuid()}:{os.getgid()}::{home.root}:/bin/sh\n".encode())
        replace_file(group, f"agent:x:{os.getgid()}:\n".encode())
        os.environ |= {"LD_PRELOAD": _LIBRARY, "NSS_WRAPPER_PASSWD": str(passwd), "NSS_WRAPPER_GROUP": str(group)}

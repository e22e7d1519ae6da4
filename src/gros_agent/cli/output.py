"""Keeps problems with the output from changing the result of a command."""

import contextlib
import errno
import io
import logging
import os
import sys
from collections.abc import Iterator

log = logging.getLogger(__name__)

FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EIO})
"""Errors of a full or broken disk, where the output may go."""


def prepare() -> None:
    """Show characters that the terminal's encoding lacks as escapes, as the log does.

    If the process was started without standard output or error, they are opened to nowhere. Otherwise the next opened
    file would get their number, and receive the output.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest number that is free
    sys.stdout = sys.stdout or open(1, "w", encoding="utf-8", closefd=False)  # noqa: SIM115 (as long as we run)
    sys.stderr = sys.stderr or open(2, "w", encoding="utf-8", closefd=False)  # noqa: SIM115
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


@contextlib.contextmanager
def telling() -> Iterator[None]:
    """Show results. If that fails, it is only logged: the work is done, and the exit status stays the same."""
    try:
        yield
    except (OSError, ValueError) as error:  # no reader any more, a full disk, a closed stream
        log.warning("the results can't be shown: %s", getattr(error, "strerror", None) or error)
        give_up()


def give_up() -> None:
    """Send further output nowhere: buffered text would fail again at the very end."""
    with contextlib.suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def finish() -> None:
    """Write buffered output."""
    try:
        sys.stdout.flush()
    except (OSError, ValueError):
        give_up()

"""What the terminal can't show changes nothing of what was done."""

import contextlib
import errno
import io
import logging
import os
import sys
from collections.abc import Iterator

log = logging.getLogger(__name__)

FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EIO})
"""Errors of a disk that takes no more, which may be where output goes."""


def prepare() -> None:
    """Have characters that the terminal's encoding lacks shown as escapes, as the log does.

    What was started without standard output or error has one that leads nowhere: the next file that is opened would
    take its place otherwise, and what is printed would go there.
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
    """Show what was done. Where that fails, the log says so: what was done stays done, and so does its status."""
    try:
        yield
    except (OSError, ValueError) as error:  # nobody reads it any more, a full disk, a closed stream
        log.warning("what was done can't be shown: %s", getattr(error, "strerror", None) or error)
        give_up()


def give_up() -> None:
    """Send further output nowhere: what waits to be written would fail again at the very end."""
    with contextlib.suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def finish() -> None:
    """Write what still waits to be written."""
    try:
        sys.stdout.flush()
    except (OSError, ValueError):
        give_up()

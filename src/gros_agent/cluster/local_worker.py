"""Loaded by Dask in each worker of a cluster on this machine, which has the terminal of the command."""

import logging
import signal

from distributed import Worker


def dask_setup(_worker: Worker) -> None:
    """Leave interruptions, which a terminal sends to all, to the command, and be quiet; called by Dask."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    quiet()


def quiet() -> None:
    """Keep Dask's own log of what comes and goes to itself: what matters to a user is told in our words."""
    for name, logger in logging.root.manager.loggerDict.items():
        if name.startswith("distributed") and isinstance(logger, logging.Logger):
            logger.setLevel(logging.CRITICAL)

"""Keeps what is logged while a worker collects a part, so that the coordinator can log it."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from gros_agent.cluster.messages import LogLine

MOST_LINES = 1000
"""Lines that are kept of a part; more are left out."""


class _Keeping(logging.Handler):
    def __init__(self) -> None:
        super().__init__(logging.INFO)
        self.lines: list[LogLine] = []

    def emit(self, record: logging.LogRecord) -> None:
        if len(self.lines) < MOST_LINES:
            self.lines.append(LogLine(record.name, record.levelno, self.format(record)))


@contextmanager
def kept_lines() -> Iterator[list[LogLine]]:
    """Keep the agent's log in a list instead of showing it, since only the coordinator knows all secrets."""
    logger, keeping = logging.getLogger("gros_agent"), _Keeping()
    before, passes = logger.level, logger.propagate
    logger.addHandler(keeping)
    logger.setLevel(logging.INFO)
    logger.propagate = False
    try:
        yield keeping.lines
    finally:
        logger.removeHandler(keeping)
        logger.setLevel(before)
        logger.propagate = passes

"""Reads texts that other users of the machine must not see in the list of processes."""

import sys
from collections.abc import Sequence

STANDARD_INPUT = "-"


def given_texts(arguments: Sequence[str]) -> list[str]:
    """The arguments. ``-`` stands for the lines of the standard input, without empty ones.

    Raises :class:`ConfigurationError` if the input can't be read as UTF-8.
    """
    from gros_agent.errors import ConfigurationError  # noqa: PLC0415 (commands load what they need when they run)

    found = [one for one in arguments if one != STANDARD_INPUT]
    if STANDARD_INPUT in arguments:
        try:
            lines = sys.stdin.buffer.read().decode("utf-8-sig").splitlines()
        except UnicodeDecodeError:
            raise ConfigurationError("the standard input is not UTF-8", "convert it, for instance with iconv") from None
        found += lines
    return [text for one in found if (text := one.strip())]

"""The settings that a controller may set for a scrape: the :class:`Right` in the declaration of each setting."""

import enum
from dataclasses import dataclass


class TextMode(enum.IntEnum):
    """How much of a controller's environment text is accepted (``CONTROLLER_ENVIRONMENT``), in increasing order."""

    NONE = 0
    USUAL = 1
    SOURCES = 2
    ALL = 3


MODES = {"none": TextMode.NONE, "sources": TextMode.SOURCES, "all": TextMode.ALL}
"""The values of ``CONTROLLER_ENVIRONMENT``. If it is not set, the mode is :attr:`Mode.USUAL`."""
MODE_VARIABLE = "CONTROLLER_ENVIRONMENT"
LEVELS = ("DEBUG", "INFO", "WARNING")
"""The log levels that a controller may set. Higher levels would hide errors."""


class Right(enum.Enum):
    """A controller's right to a setting: the lowest mode that allows it (None: never), and an explanation."""

    TAKEN = (TextMode.USUAL, "taken")
    ADDED = (TextMode.USUAL, "taken in addition to the operator's")
    LEVEL = (TextMode.USUAL, f"taken if it is {', '.join(LEVELS[:-1])} or {LEVELS[-1]}")
    NAME = (TextMode.SOURCES, "says what to collect")
    ADDRESS = (TextMode.SOURCES, "says where to collect from, and none of the operator's credentials are sent there")
    CREDENTIAL = (TextMode.ALL, "is a credential of the controller's own, for an address that it named")
    FILE = (None, "names a file of this machine")
    CONTROLLER = (None, "identifies the controller, or the agent to the controller")
    TRUST = (None, "determines what is trusted")
    PROXY = (None, "sets the proxy for sources")
    CONNECTION = (None, "changes the connection to a source that the operator configured")
    AGENT = (None, "concerns the agent itself")
    UNUSED = (None, "is not used in a scrape")
    UNKNOWN = (None, "is not a setting of the agent")

    def __init__(self, mode: TextMode | None, meaning: str) -> None:
        self.mode = mode
        self.meaning = meaning


@dataclass(frozen=True, slots=True)
class Variable:
    """A variable that is not an option of a file: its meaning, and a controller's right to set it."""

    meaning: str
    controller: Right

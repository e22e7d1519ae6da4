"""What a controller may set for a scrape. Each setting's declaration has a :class:`Right`, and nothing else says it."""

import enum
from dataclasses import dataclass


class Mode(enum.IntEnum):
    """How much of its controller's environment text an agent takes (``CONTROLLER_ENVIRONMENT``), the least first."""

    NONE = 0
    USUAL = 1
    SOURCES = 2
    ALL = 3


MODES = {"none": Mode.NONE, "sources": Mode.SOURCES, "all": Mode.ALL}
"""The values of ``CONTROLLER_ENVIRONMENT``; where it is not set, the mode is :attr:`Mode.USUAL`."""
MODE_VARIABLE = "CONTROLLER_ENVIRONMENT"
LEVELS = ("DEBUG", "INFO", "WARNING")
"""The log levels that a controller may set: a higher one would hide what goes wrong."""


class Right(enum.Enum):
    """Whether a controller may set a setting: from which mode on (None: never), and what that means, in words."""

    TAKEN = (Mode.USUAL, "taken")
    ADDED = (Mode.USUAL, "taken in addition to the operator's")
    LEVEL = (Mode.USUAL, f"taken if it is {', '.join(LEVELS[:-1])} or {LEVELS[-1]}")
    NAME = (Mode.SOURCES, "says what to collect")
    ADDRESS = (Mode.SOURCES, "says where to collect from, and no credential of the operator's goes there")
    CREDENTIAL = (Mode.ALL, "is a credential of the controller's own, for an address that it named")
    FILE = (None, "leads to a file of this machine")
    CONTROLLER = (None, "says who the controller is, and who the agent is to it")
    TRUST = (None, "says who is trusted")
    PROXY = (None, "says by which proxy sources are reached")
    CONNECTION = (None, "changes how a source is reached that the operator configured")
    AGENT = (None, "says how the agent itself works")
    UNUSED = (None, "has no part in a scrape")
    UNKNOWN = (None, "is no setting of the agent")

    def __init__(self, mode: Mode | None, meaning: str) -> None:
        self.mode = mode
        self.meaning = meaning


@dataclass(frozen=True, slots=True)
class Variable:
    """A variable that fills no option of a file: what it means, and whether a controller may set it."""

    meaning: str
    controller: Right

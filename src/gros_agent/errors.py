"""What can go wrong, as one tree; every error has an exit status and says what to do.

::

    AgentError                 1  unexpected: the disk is full, a program misbehaves
    ├── ConfigurationError     7  settings, options, environment, project keys, input files
    │   ├── Problems           7  several of them, reported together
    │   └── InvalidPortError   7  a port of the controller is not a number
    ├── PreflightError         4  a check of preflight did not pass
    ├── DeliveryError          6  a batch waits for its delivery, and was kept
    ├── BusyError              5  somebody else does this work right now
    ├── ControllerError        4  the controller can't be reached, refuses a request, or sends an invalid answer
    │   └── NoAnswerError      4  a call got no answer: the controller may have carried it out
    └── SourceError            3  one source can't be collected; the others go on
        ├── MachineError       3  this machine lacks a program or has a full disk; another one may collect it
        ├── TimeUpError        3  the time limit of some work is over
        ├── HttpError          3  an error status
        ├── WebPageError       3  a web page where data was expected
        ├── TooLargeError      3  an answer is larger than any should be
        ├── QueryRefused       3  GitHub refuses a query
        ├── IncompleteError    3  Jira gives fewer changes or comments of an issue than it says that there are
        ├── UnreadableError    3  no versions can be made of an issue of Jira
        └── MissingError       3  nothing exists at a Subversion URL

The command line catches :class:`AgentError` in one place. Anything else is a bug, and ends with status 1 too.
"""

import enum
from collections.abc import Iterable


class ExitStatus(enum.IntEnum):
    """What the exit status of every command means."""

    DONE = 0
    UNEXPECTED = 1
    USAGE = 2
    PARTLY = 3
    PREFLIGHT = 4
    NOT_DUE = 5
    POSTPONED = 6
    WRONG_INPUT = 7
    INTERRUPTED = 130

    @property
    def meaning(self) -> str:
        """One line for people."""
        return _MEANINGS[self]


_MEANINGS = {
    ExitStatus.DONE: "done",
    ExitStatus.NOT_DUE: "not due yet, or another process does the same work right now",
    ExitStatus.PARTLY: "incomplete: at least one source was not collected, or not whole",
    ExitStatus.POSTPONED: "delivery postponed: the data was kept",
    ExitStatus.PREFLIGHT: "preflight not passed",
    ExitStatus.WRONG_INPUT: "configuration or input wrong",
    ExitStatus.UNEXPECTED: "unexpected error",
    ExitStatus.USAGE: "the command line was not understood",
    ExitStatus.INTERRUPTED: "interrupted",
}

SEVERITY = (
    ExitStatus.DONE,
    ExitStatus.NOT_DUE,
    ExitStatus.PARTLY,
    ExitStatus.POSTPONED,
    ExitStatus.PREFLIGHT,
    ExitStatus.WRONG_INPUT,
    ExitStatus.UNEXPECTED,
)
"""Statuses that several parts of one run can have, the least severe first."""


def worst(statuses: Iterable[ExitStatus]) -> ExitStatus:
    """The most severe of several statuses, by :data:`SEVERITY`."""
    return max(statuses, key=SEVERITY.index, default=ExitStatus.DONE)


class Own(str):
    """Text that this program wrote itself: it quotes nobody and contains no name, so that it may be delivered."""

    __slots__ = ()


class AgentError(Exception):
    """Shown to the user as one line, plus one line that says what to do.

    ``message`` says what is wrong and where; it may quote a server or contain a name. ``hint`` says what to do. ``own``
    is a wording that may be delivered to the controller; if it is empty, only the kind of error is delivered.
    ``is_logged`` is set once the log has the error.
    """

    status = ExitStatus.UNEXPECTED

    def __init__(self, message: str, hint: str = "", *, own: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.own = own or (message if isinstance(message, Own) else "")
        self.hint = hint
        self.is_logged = False
        self.away = False
        """Whether the controller is unreachable: it does not answer, or a proxy says that it does not."""


class ConfigurationError(AgentError):
    """Something that the user wrote, or left out, is wrong."""

    status = ExitStatus.WRONG_INPUT


class Problems(ConfigurationError):  # noqa: N818 (several errors, not one)
    """Several configuration errors, reported together."""

    def __init__(self, problems: Iterable[ConfigurationError]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(problem.message for problem in self.problems))

    @classmethod
    def raise_if(cls, problems: Iterable[ConfigurationError]) -> None:
        """Raise a single problem as it is, and several together. Do nothing for an empty list."""
        found = tuple(problems)
        if len(found) == 1:
            raise found[0]
        if found:
            raise cls(found)


class PreflightError(AgentError):
    """A check did not pass."""

    status = ExitStatus.PREFLIGHT


class DeliveryError(AgentError):
    """A written batch has not been delivered yet."""

    status = ExitStatus.POSTPONED


class BusyError(AgentError):
    """Another process works on the same project."""

    status = ExitStatus.NOT_DUE


class SourceError(AgentError):
    """One source can't be collected. It becomes that source's outcome."""

    status = ExitStatus.PARTLY


class MachineError(SourceError):
    """One source can't be collected on this machine: a program is missing, or the disk is full. Another one may."""

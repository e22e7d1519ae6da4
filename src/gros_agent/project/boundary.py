"""The boundary around a source: whatever goes wrong inside becomes that source's outcome, and stops nothing else.

Scrapes, dry runs, checks and discovery go through :func:`around`. Interruptions pass through it, and so do errors about
the agent's own disk, which are not the source's fault.
"""

import errno
import logging
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path

from gros_agent.errors import AgentError, SourceError
from gros_agent.runtime import limits
from gros_agent.runtime.process import memory_of_a_program
from gros_agent.runtime.storage import storage_errors
from gros_agent.settings.environment import SOURCE_MAX
from gros_agent.settings.model import ProjectSettings

log = logging.getLogger(__name__)

_OF_THE_DISK = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO})
_OF_FILES = frozenset({errno.EACCES, errno.EPERM})
_OF_THE_PROCESS = frozenset({errno.EMFILE, errno.ENFILE})
_PASSING = (KeyboardInterrupt, SystemExit, GeneratorExit)


@dataclass(frozen=True)
class Bounds:
    """The limits of the work for one source of a project.

    ``seconds`` is its time in all, ``memory`` the bytes that each program may use (None: the machine's default).
    ``home`` is the folder that errors about the own disk name.
    """

    project: str
    home: Path
    seconds: float
    memory: int | None

    @classmethod
    def of(cls, project: ProjectSettings) -> "Bounds":
        """The bounds that the settings of a project allow."""
        memory = project.environment.program_memory
        bytes_of_it = None if memory is None else int(memory * (1 << 20))
        return cls(project.key, project.home.root, project.environment.source_max, bytes_of_it)


def around(project: ProjectSettings, name: str) -> AbstractContextManager[None]:
    """Limit the work for one source to the time and memory that the settings allow; see :func:`bounded`."""
    return bounded(Bounds.of(project), name)


@contextmanager
def bounded(bounds: Bounds, name: str) -> Iterator[None]:
    """Limit the work for one source.

    Raises :class:`SourceError` for whatever goes wrong inside, and another :class:`AgentError` if the agent's own disk
    is the problem.
    """
    memory = memory_of_a_program() if bounds.memory is None else bounds.memory
    with limits.within(bounds.seconds, SOURCE_MAX, memory) as limit:
        try:
            yield
            limits.check()
        except _PASSING:
            raise
        except limits.TimeUpError:
            raise
        except AgentError as error:
            if isinstance(error, SourceError) and limit.is_up:
                raise limit.error() from error  # its programs were ended, which is what the error tells
            raise
        except BaseException as error:
            if isinstance(error, BaseExceptionGroup) and error.split(_PASSING)[0] is not None:
                raise
            if limit.is_up:
                raise limit.error() from error
            _raise_own(bounds.home, error)
            log.exception("project %s: source %s: unexpected", bounds.project, name)
            raise unexpected(error) from error


def unexpected(error: BaseException) -> SourceError:
    """The error for a bug of ours that a source's answer uncovered."""
    said = str(error)
    return SourceError(
        f"unexpected: {type(error).__name__}{f': {said}' if said else ''}",
        "what it answers is not understood here: report it, with what --log DEBUG says",
        own=f"unexpected: {type(error).__name__}",
    )


def _raise_own(home: Path, error: BaseException) -> None:
    """Raise an error about our own disk or process as one of the agent's."""
    if not isinstance(error, OSError):
        return
    if error.errno in _OF_THE_DISK | _OF_THE_PROCESS or (error.errno in _OF_FILES and error.filename is not None):
        with storage_errors(home):
            raise error

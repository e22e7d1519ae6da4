"""Checks before the work: each says what was found, and what to do about it.

A check is a function of a :class:`Scope` that yields results. It never raises: what goes wrong is a result. Those of
:mod:`.local` need nothing but this machine and the sources, those of :mod:`.remote` the controller.
"""

from collections.abc import Callable, Iterator

from gros_agent.errors import ExitStatus
from gros_agent.preflight.local import (
    check_certificate,
    check_dashboard,
    check_export,
    check_key,
    check_programs,
    check_secrets,
    check_settings,
    check_sources,
    check_version,
)
from gros_agent.preflight.remote import check_controller, check_log_in, note_moment
from gros_agent.preflight.results import Result, Scope, Status

__all__ = ["CHECKS", "Check", "Result", "Scope", "Status", "note_moment", "run", "status_of"]

Check = Callable[[Scope], Iterator[Result]]


def run(scope: Scope) -> Iterator[Result]:
    """Run all checks, one after the other."""
    for check in CHECKS:
        yield from check(scope)


def status_of(results: list[Result]) -> ExitStatus:
    """The exit status that results stand for."""
    found = {result.status for result in results}
    if Status.FAILED in found:
        return ExitStatus.PREFLIGHT
    if Status.AWAY in found:
        return ExitStatus.POSTPONED
    return ExitStatus.NOT_DUE if Status.NOT_DUE in found else ExitStatus.DONE


CHECKS: tuple[Check, ...] = (
    check_settings,
    check_version,
    check_export,
    check_certificate,
    check_secrets,
    check_key,
    check_controller,
    check_log_in,
    check_programs,
    check_sources,
    check_dashboard,
)

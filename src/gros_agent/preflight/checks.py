"""All checks in order, and the exit status for their results."""

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
from gros_agent.preflight.remote import check_controller, check_log_in
from gros_agent.preflight.results import Result, Scope, Verdict

Check = Callable[[Scope], Iterator[Result]]


def run(scope: Scope) -> Iterator[Result]:
    """Run all checks, one after the other."""
    yield from run_at_controller(scope)
    yield from run_elsewhere(scope)


def run_at_controller(scope: Scope) -> Iterator[Result]:
    """Run the checks of the settings and of the controller."""
    for check in CHECKS:
        yield from check(scope)


def run_elsewhere(scope: Scope) -> Iterator[Result]:
    """Run the checks of programs and sources, which don't need the controller."""
    for check in CHECKS_ELSEWHERE:
        yield from check(scope)


def status_of(results: list[Result]) -> ExitStatus:
    """The exit status for these results."""
    found = {result.status for result in results}
    if Verdict.FAILED in found:
        return ExitStatus.PREFLIGHT
    if Verdict.AWAY in found:
        return ExitStatus.POSTPONED
    return ExitStatus.NOT_DUE if Verdict.NOT_DUE in found else ExitStatus.DONE


CHECKS: tuple[Check, ...] = (
    check_settings,
    check_version,
    check_export,
    check_certificate,
    check_secrets,
    check_key,
    check_controller,
    check_log_in,
)
CHECKS_ELSEWHERE: tuple[Check, ...] = (
    check_programs,
    check_sources,
    check_dashboard,
)

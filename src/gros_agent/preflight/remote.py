"""The checks that ask the controller."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from gros_agent.deliver import contact, outbox
from gros_agent.errors import AgentError
from gros_agent.preflight.results import Result, Scope, Verdict
from gros_agent.privacy import secrets
from gros_agent.settings import controller_text
from gros_agent.settings.model import ProjectSettings, Settings
from gros_agent.settings.version import version

if TYPE_CHECKING:
    from gros_agent.controller import answers, https

COMPONENTS = frozenset(
    {"database", "tracker", "permissions", "lock", "importer", "daemon", "network", "configuration", "total"}
)
"""The components whose status controllers report."""
_CONTROLLER = "controller"
LARGEST_SKEW = 120.0
"""The largest acceptable difference between two clocks in seconds, for the schedule and the order of events."""


def check_controller(scope: Scope) -> Iterator[Result]:
    """Check the controller's certificate, its status for each project, its clock, and the version that it expects."""
    name, settings = _CONTROLLER, scope.settings
    if settings.controller() is None:
        yield Result(name, Verdict.SKIPPED, "no controller is configured")
        return
    if scope.away is not None:
        yield from _unanswered(scope, name, scope.away)
        return
    from gros_agent.controller.https import ControllerClient  # noqa: PLC0415 (slow to import)

    try:
        client = ControllerClient(settings, read_seconds=scope.silence)
        yield _server_certificate(settings, client.host, scope.silence)
        for project in scope.projects:
            status = client.status(project)
            tracker = status.components.get("tracker")
            if tracker is not None:
                contact.note_answer(settings.project(project), tracker.interval, "" if tracker.ok else tracker.message)
            yield from _status_results(scope, project, status)
        yield _version_result(client)
    except AgentError as error:
        yield from _unanswered(scope, name, error)


def _unanswered(scope: Scope, name: str, error: AgentError) -> Iterator[Result]:
    """If the controller is unreachable, projects that it accepted before are collected, and their batches wait."""
    settings, projects = scope.settings, scope.projects
    known = projects and all(secrets.find(settings.home.root, project) is not None for project in projects)
    if not (error.away and known and all(contact.may_collect(settings.project(project)) for project in projects)):
        yield Result(name, Verdict.FAILED, error.message, error.hint)
        return
    for project in projects:
        since = contact.note_away(settings.project(project)).away
        count = len(outbox.waiting(settings.project(project)))
        kept = f"{count} {'batch waits' if count == 1 else 'batches wait'}" if count else "nothing waits yet"
        when = f"since {since.astimezone():%Y-%m-%d %H:%M:%S}" if since else "now"
        detail = f"the controller is away {when}: collecting into the outbox, {kept}: {error.message}"
        if name != _CONTROLLER:  # the check before has reported it
            detail = f"the controller is away: {error.message}"
        yield Result(f"{project}: {name}", Verdict.AWAY, detail, error.hint)


def _server_certificate(settings: Settings, address: tuple[str, int], seconds: float) -> Result:
    from gros_agent.controller import tls, trust  # noqa: PLC0415 (slow to import)

    name, (host, port) = "server certificate", address
    shown = tls.read_shown(host, port, seconds)
    reason = trust.refusal(host, port, settings.trusted, seconds)
    if reason is None:
        return Result(name, Verdict.OK, f"{host} port {port}: trusted, for {', '.join(shown.names)}")
    detail = f"{host} port {port} shows {shown.fingerprint[:16]}… for {', '.join(shown.names)}: {reason}"
    if settings.certificate is not None:
        pinned = ", ".join(f"{one.fingerprint[:16]}…" for one in tls.read_pinned(settings.certificate))
        detail += f"; pinned is {pinned}"
    return Result(name, Verdict.FAILED, detail, "ask the controller's operator for its certificate, and compare")


def _status_results(scope: Scope, project: str, status: "answers.ControllerStatus") -> Iterator[Result]:
    for name, component in status.components.items():
        detail = component.message or ("is ready" if component.ok else "is not ready")
        known = name in COMPONENTS
        if component.ok:
            yield Result(f"{project}: {name}", Verdict.OK, detail, is_named_here=known)
        elif status.not_due:
            yield Result(f"{project}: {name}", Verdict.NOT_DUE, detail, is_named_here=known)
        elif status.faults:
            yield Result(f"{project}: {name}", Verdict.FAILED, detail, "see the controller's log", is_named_here=known)
        else:
            yield Result(
                f"{project}: {name}",
                Verdict.WARNING,
                detail,
                "nothing to do: this does not stop a scrape",
                is_named_here=known,
            )
    if status.skew is not None and abs(status.skew) > LARGEST_SKEW:
        detail = f"the controller's clock and ours are {abs(status.skew):.0f} s apart"
        yield Result(f"{project}: clock", Verdict.WARNING, detail, "set the clocks")
    if not status.faults and not status.not_due:
        yield from _text_results(scope.settings.project(project), status.contents)
        scope.passed[project] = status.contents


def _text_results(project: ProjectSettings, contents: str | None) -> Iterator[Result]:
    """Report the variables that the controller sets for the scrape, and those that were refused."""
    if contents is None:
        return
    name, done = f"{project.key}: controller's variables", controller_text.applied(project, contents)
    if done.counts or done.loses:
        lost = f"; also set here, which takes precedence: {', '.join(done.loses)}" if done.loses else ""
        yield Result(name, Verdict.OK, f"taken: {', '.join(done.counts) or 'none'}{lost}")
    hint = "set it here if you want it; docs/configuration.md lists what a controller may set"
    for warning in done.warnings():
        yield Result(name, Verdict.WARNING, warning, hint)


def _version_result(client: "https.ControllerClient") -> Result:
    text = version(client.settings.home)
    answer = client.version(text)
    if answer is None:
        return Result("agent version", Verdict.OK, f"{text}: the controller can't tell whether it is up to date")
    if answer.up_to_date:
        return Result("agent version", Verdict.OK, f"{text} is up to date")
    return Result(
        "agent version", Verdict.WARNING, f"{text}, the controller knows {answer.version}", "update the agent"
    )


def check_log_in(scope: Scope) -> Iterator[Result]:
    """Check that the agent can log in to the controller, and that the host key is the pinned one."""
    name = "SSH log-in"
    if scope.no_ssh or scope.settings.controller() is None:
        reason = "left out with --no-ssh" if scope.no_ssh else "no controller is configured"
        yield Result(name, Verdict.SKIPPED, reason)
        return
    if scope.away is not None:
        yield Result(name, Verdict.SKIPPED, "the controller is away")
        return
    from gros_agent.controller.https import agent_key, agent_user  # noqa: PLC0415 (slow to import)
    from gros_agent.controller.reach import connect  # noqa: PLC0415

    project = scope.projects[0] if scope.projects else ""
    user, expected = agent_user(scope.settings.project(project)), f"agent-{agent_key(scope.settings.project(project))}"
    if user != expected:
        detail = f"[ssh] username is {user}, but existing controllers call this agent {expected}"
        yield Result(
            name, Verdict.WARNING, detail, "leave SSH_USERNAME out, or correct it or the first key of JIRA_KEY"
        )
    try:
        with connect(scope.settings.project(project)) as connection:
            yield Result(name, Verdict.OK, f"works, files go by {connection.way}")
    except AgentError as error:
        yield from _unanswered(scope, name, error)

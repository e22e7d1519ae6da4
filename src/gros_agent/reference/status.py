"""The answer of ``status.py``: a component for each condition that must hold before an agent collects."""

from datetime import UTC, datetime, timedelta
from typing import Any

from gros_agent.errors import AgentError
from gros_agent.reference.serve_options import ServeOptions
from gros_agent.reference.store import State

PREFLIGHT_DATE = "preflight_date.txt"


def components(state: State, options: ServeOptions, project: str, user: str, trouble: str) -> dict[str, dict[str, Any]]:
    """The state of each component, and ``total`` over all of them. ``trouble`` is the intake's problem, or empty."""
    found = {
        "database": _component(),
        "tracker": _component(_too_early(state, options, project)),
        "permissions": _component(_unprepared(state, project, user)),
        "lock": _component("a registration is under way" if state.locked() else ""),
        "importer": _component(state.refusal(project) or ""),
        "daemon": _component(trouble),
        "network": _component(),
    }
    found["tracker"]["interval"] = _interval(options)
    configuration = _component(found["tracker"].get("message", ""))
    if configuration["ok"]:
        try:
            configuration["contents"] = options.contents()
        except AgentError as error:
            configuration = _component(error.message)
    found["configuration"] = configuration
    wrong = [name for name, one in found.items() if not one["ok"]]
    found["total"] = _component(f"not ok: {', '.join(wrong)}" if wrong else "")
    if wrong:
        configuration.pop("contents", None)
    return found


def _component(message: str = "") -> dict[str, Any]:
    return {"ok": False, "message": message} if message else {"ok": True}


def _unprepared(state: State, project: str, user: str) -> str:
    if not state.owns(user, project):
        return f"{user} did not register for project {project}"
    missing = [name for name in ("export", "update") if not (state.home(user) / name / project).is_dir()]
    return f"{user} has no folder {missing[0]}/{project}: register again" if missing else ""


def _interval(options: ServeOptions) -> float:
    """Seconds between a scrape and the time at which the next one is due."""
    if options.days is None:
        return 0.0
    return max(timedelta(days=options.days, minutes=-options.drift).total_seconds(), 0.0)


def _too_early(state: State, options: ServeOptions, project: str) -> str:
    """A message with the time until which an agent has to wait; empty if a scrape is due."""
    path = state.trackers(project) / PREFLIGHT_DATE
    if options.days is None or not path.exists():
        return ""
    try:
        last = datetime.fromisoformat(path.read_text(encoding="utf-8").strip()).astimezone()
    except ValueError:
        return ""  # an invalid date must not stop an agent for ever
    due = last + timedelta(days=options.days) - timedelta(minutes=options.drift)
    return f"not due before {due.isoformat(' ', 'seconds')}" if datetime.now(UTC) < due else ""

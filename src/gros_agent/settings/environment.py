"""The environment: the process's variables, overridden by those of the environment files, and checked together."""

import re
import shlex
import zoneinfo
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import environs
from environs import validate

from gros_agent.errors import ConfigurationError
from gros_agent.options.rights import MODE_VARIABLE, MODES, Right, TextMode, Variable
from gros_agent.options.values import Secret, Value
from gros_agent.runtime.files import read_text
from gros_agent.settings import authorities, envfile
from gros_agent.settings.template import ACCESS_VARIABLE, SECRET_VARIABLES

PERIODS = ("15min", "hourly", "daily", "weekly", "monthly")
_UTC = frozenset({"UTC", "Etc/UTC"})
LOG_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")
MAX_KEY_LENGTH = 20
"""The length of the importer's database column for project keys."""

MAX_SECONDS = 30 * 24 * 3600
"""The longest time that a variable may set, in seconds. A longer time is taken for a mistake."""

SOURCE_KEYS = "GROS_AGENT_SOURCE_KEYS"
WAIT = "GROS_AGENT_WAIT"
IMPORT_LIMIT = "GROS_AGENT_IMPORT_LIMIT"
PICK_UP_MAX = "GROS_AGENT_PICK_UP_MAX"
OUTBOX_MAX_AGE = "OUTBOX_MAX_AGE"
OUTBOX_MAX_BYTES = "OUTBOX_MAX_BYTES"
ANSWER_MAX = "ANSWER_MAX_SECONDS"
SOURCE_MAX = "SOURCE_MAX_SECONDS"
RUN_MAX = "RUN_MAX_SECONDS"
PROGRAM_MEMORY = "PROGRAM_MAX_MEMORY"
LIMITS = (
    *(WAIT, IMPORT_LIMIT, PICK_UP_MAX, OUTBOX_MAX_AGE, OUTBOX_MAX_BYTES, ANSWER_MAX, SOURCE_MAX, RUN_MAX),
    PROGRAM_MEMORY,
)
"""The variables that set limits."""
HOSTNAME = "GROS_AGENT_HOSTNAME"
PLAIN = "GROS_AGENT_PLAIN"
BLOCK_LIST = "GATHERER_URL_BLACKLIST"
LOG_LEVEL = "logLevel"
VARIABLES: Mapping[str, Variable] = {
    "GROS_AGENT_HOME": Variable("folder with the agent's files; the working directory by default", Right.FILE),
    "GROS_AGENT_STATE": Variable(
        "folder for what the agent keeps between runs; `state` in the home by default", Right.FILE
    ),
    "GROS_AGENT_ENVIRONMENT": Variable(
        "environment files that are read before those of the home, separated by colons", Right.FILE
    ),
    MODE_VARIABLE: Variable(
        f"how much to accept from the controller's environment text: {', '.join(MODES)}; see below for the default",
        Right.AGENT,
    ),
    SOURCE_KEYS: Variable(
        "whether a registration adds the agent's public key on the systems that host the sources", Right.AGENT
    ),
    WAIT: Variable(
        "seconds to wait until the controller has taken and imported a delivery; 300 by default",
        Right.AGENT,
    ),
    IMPORT_LIMIT: Variable(
        "longest time for the answer to an announcement, in seconds: it may come after the import; 21600 by default",
        Right.AGENT,
    ),
    PICK_UP_MAX: Variable(
        "seconds after which a stuck delivery no longer prevents registrations; 86400 by default", Right.AGENT
    ),
    OUTBOX_MAX_AGE: Variable(
        "how long a batch may wait for delivery before collecting stops: seconds, or a number with `m`, "
        "`h` or `d`; `30d` by default",
        Right.AGENT,
    ),
    OUTBOX_MAX_BYTES: Variable(
        "total size limit of a project's waiting batches: bytes, or a number with `k`, `M` or `G`; `10G` by default",
        Right.AGENT,
    ),
    ANSWER_MAX: Variable(
        "longest time for a complete answer of a source, in seconds, from its first header; 600 by default", Right.AGENT
    ),
    SOURCE_MAX: Variable("time limit for a source, in seconds; 86400 by default", Right.AGENT),
    RUN_MAX: Variable(
        "time limit for a run of all projects, in seconds; the rest is collected in the next run; 259200 by default",
        Right.AGENT,
    ),
    PROGRAM_MEMORY: Variable(
        "megabytes that a program such as git may use; half of the machine's or container's, 512 to 4096, by default",
        Right.AGENT,
    ),
    HOSTNAME: Variable(
        "host name of this machine to send to the controller; `no` sends none; its own by default", Right.AGENT
    ),
    "CRON_PERIOD": Variable(f"how often to attempt a scrape: {', '.join(PERIODS)}", Right.AGENT),
    "BIGBOAT_PERIOD": Variable("how often to send the BigBoat dashboard's status: the same values", Right.AGENT),
    "JENKINS_URL": Variable("any value that is not falsy: run once for each project, then exit", Right.AGENT),
    "JIRA_KEY": Variable("project key, or several separated by spaces", Right.CONTROLLER),
    "PREFLIGHT_ARGS": Variable("arguments for preflight, such as `--no-secrets --no-ssh`", Right.AGENT),
    PLAIN: Variable(
        "`yes`: write names and addresses unchanged if a project has no secrets; only this and "
        "`scrape --no-secrets` do so",
        Right.AGENT,
    ),
    "AGENT_LOGGING": Variable("if set: log records of WARNING and above go to the controller", Right.TAKEN),
    "AGENT_HOST": Variable(
        "host name (and port) that requests to the agent's web API must carry; several separated by spaces",
        Right.AGENT,
    ),
    ACCESS_VARIABLE: Variable("token that requests to the agent's web API need; none by default", Right.AGENT),
    "TZ": Variable("time zone of the schedule, of the log and of the moments in tables", Right.TAKEN),
    "DEFINITIONS_CREDENTIALS_ENV": Variable(
        "name of the variable with the path of the agent's SSH private key", Right.FILE
    ),
    "SOURCE_CREDENTIALS_ENV": Variable(
        "name of the variable with the path of the SSH private key for the sources' host", Right.FILE
    ),
    "SOURCE_HOST": Variable("host that the `SOURCE_` variables are for", Right.NAME),
    "DEFINITIONS_HOST": Variable("host that the `DEFINITIONS_` variables are for", Right.NAME),
    "GATHERER_SETTINGS_FILE": Variable("path of the settings file; `settings.cfg` by default", Right.FILE),
    "GATHERER_CREDENTIALS_FILE": Variable("path of the credentials file; `credentials.cfg` by default", Right.FILE),
    BLOCK_LIST: Variable("patterns of URLs that are never requested, separated by commas", Right.ADDED),
    **{name: Variable(meaning, Right.TRUST) for name, meaning in authorities.VARIABLES.items()},
    "cleanupRepos": Variable("`true`: remove the local clones after a scrape", Right.TAKEN),
    "skip_dropin": Variable(
        "`0`: keep the sources that the web UI put on the list, even if the project has a definition", Right.TAKEN
    ),
    LOG_LEVEL: Variable(f"log level: {', '.join(LOG_LEVELS)}", Right.LEVEL),
}
"""The variables that do not fill an option of a configuration file."""

PROXIES: Mapping[str, Variable] = {
    name: Variable("proxy for connections to sources", Right.PROXY)
    for small in ("http_proxy", "https_proxy", "all_proxy", "no_proxy")
    for name in (small, small.upper())
}
"""The variables with proxies for connections to sources. Their values can contain passwords."""


@dataclass(frozen=True, kw_only=True)
class AgentVariables:
    """The merged environment. ``values`` has every variable, the fields have those that the agent itself uses."""

    values: Mapping[str, Value]
    cron_period: str | None = None
    bigboat_period: str | None = None
    jenkins_style: bool = False
    projects: tuple[str, ...] = ()
    preflight_args: tuple[str, ...] = ()
    agent_logging: bool = False
    agent_hosts: tuple[str, ...] = ()
    agent_token: Secret | None = None
    time_zone: str | None = None
    url_blacklist: tuple[str, ...] = ()
    cleanup_repos: bool = False
    log_level: str = "INFO"
    wait: float = 300.0
    import_limit: float = 6 * 3600.0
    pick_up_max: float = 24 * 3600.0
    outbox_max_age: float = 30 * 86400.0
    outbox_max_bytes: float = 10e9
    answer_max: float = 600.0
    source_max: float = 24 * 3600.0
    run_max: float = 72 * 3600.0
    program_memory: float | None = None
    plain: bool = False
    controller_mode: TextMode = TextMode.USUAL
    warnings: tuple[str, ...] = ()

    def get(self, name: str) -> str | None:
        """The value of a variable, or None if it is not set or switched off."""
        value = self.values.get(name)
        return value.effective if value else None


class _Reader(environs.Env):
    """Parsers of environs for our own mapping. A falsy value counts as missing."""

    def __init__(self, values: Mapping[str, Value]) -> None:
        super().__init__(eager=False)
        self._mapping = values
        self.add_parser("words", _words)
        self.add_parser("switch", bool)

    def _get_value(self, env_key: str, default: Any) -> Any:  # noqa: ANN401 (the base class's signature)
        value = self._mapping.get(env_key)
        text = value.effective if value else None
        return default if text is None else text


def _time_zone(name: str) -> None:
    key = name.removeprefix(":")
    try:
        ZoneInfo(key)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise environs.ValidationError("there is no such time zone; write one such as Europe/Amsterdam") from None
    # Python's own package may have a zone that the C library lacks, which treats unknown zones as UTC.
    if key not in _UTC and not any((Path(folder) / key).is_file() for folder in zoneinfo.TZPATH):
        raise environs.ValidationError("this system does not know this time zone: install tzdata, or write UTC")


def _words(value: Any) -> tuple[str, ...]:  # noqa: ANN401 (environs hands the default over as it is)
    """Split arguments as a shell does."""
    try:
        return tuple(shlex.split(value)) if isinstance(value, str) else value
    except ValueError as error:
        raise environs.EnvError(str(error)) from None


def merge(environ: Mapping[str, str], files: Iterable[Path]) -> tuple[AgentVariables, list[ConfigurationError]]:
    """Merge a process's environment with the environment files. Later files override earlier values.

    Returns the environment and the problems found. Never raises for the content of variables.
    """
    merged = envfile.merge(environ, files)
    problems = list(merged.problems)
    variables = {**merged.variables, **dict(_from_files(merged.variables, problems))}
    return _interpret(variables, problems, merged.warnings), problems


def _from_files(values: Mapping[str, Value], problems: list[ConfigurationError]) -> Iterable[tuple[str, Value]]:
    """The secrets from files that ``NAME_FILE`` variables name, without the final newline."""
    for name in sorted(SECRET_VARIABLES):
        path = values.get(f"{name}_FILE")
        if path is None or path.effective is None:
            continue
        direct = values.get(name)
        if direct is not None and direct.effective is not None:
            problems.append(
                ConfigurationError(
                    f"{name} ({direct.origin}) and {name}_FILE ({path.origin}) are both set", "remove one of the two"
                )
            )
            continue
        try:
            text = read_text(Path(path.effective), f"the file of {name}_FILE")
        except ConfigurationError as problem:
            problems.append(problem)
            continue
        if text is None:
            hint = "mount the secret there, or correct the path"
            problems.append(ConfigurationError(f"{name}_FILE ({path.origin}): there is no file {path.text}", hint))
        else:
            yield name, Value(text.rstrip("\r\n"), f"file {path.text}")


def _interpret(
    values: Mapping[str, Value], problems: list[ConfigurationError], warnings: tuple[str, ...]
) -> AgentVariables:
    reader = _Reader(values)
    period = validate.OneOf(PERIODS, error="must be one of {choices}")
    keys: list[str] = reader.list("JIRA_KEY", default=[], delimiter=None) or []
    environment = AgentVariables(
        values=values,
        cron_period=reader.str("CRON_PERIOD", default=None, validate=period),
        bigboat_period=reader.str("BIGBOAT_PERIOD", default=None, validate=period),
        jenkins_style=reader.switch("JENKINS_URL", default=False),
        projects=tuple(dict.fromkeys(keys)),
        preflight_args=reader.words("PREFLIGHT_ARGS", default=()) or (),
        agent_logging=reader.switch("AGENT_LOGGING", default=False),
        agent_hosts=tuple(reader.list("AGENT_HOST", default=[], delimiter=None) or ()),
        agent_token=Secret(token) if (token := reader.str(ACCESS_VARIABLE, default=None)) else None,
        time_zone=reader.str("TZ", default=None, validate=_time_zone),
        url_blacklist=tuple(reader.list(BLOCK_LIST, default=[]) or ()),
        cleanup_repos=reader.switch("cleanupRepos", default=False),
        log_level=reader.str(
            LOG_LEVEL,
            default="INFO",
            validate=validate.OneOf(LOG_LEVELS, error="must be one of {choices}"),
        )
        or "INFO",
        **_seconds(reader),
        **_amounts(reader),
        plain=reader.bool(PLAIN, default=False) or False,
        controller_mode=_controller_mode(reader, values),
        warnings=warnings,
    )
    problems.extend(_problems_of(reader, values))
    problems.extend(malformed_keys(environment.projects, f"JIRA_KEY, {_origin(values, 'JIRA_KEY')}"))
    return environment


def _controller_mode(reader: _Reader, values: Mapping[str, Value]) -> TextMode:
    """How much the controller may set. A falsy text means ``none``; an empty text counts as missing."""
    said = values.get(MODE_VARIABLE)
    if said is not None and said.text.strip() and said.effective is None:
        return TextMode.NONE
    choice = validate.OneOf(tuple(MODES), error="must be one of {choices}")
    return MODES.get(reader.str(MODE_VARIABLE, default=None, validate=choice) or "", TextMode.USUAL)


def with_weaker(environment: AgentVariables, variables: Mapping[str, Value]) -> tuple[AgentVariables, list[str]]:
    """Add variables with the lowest precedence: each applies only if it is not set otherwise.

    Block lists are combined. Returns the new environment and no problems, or the old environment and the problems of
    those variables in words.
    """
    values = {**environment.values}
    for name, value in variables.items():
        ours = values.get(name)
        if ours is None or not ours.text.strip() or (name == BLOCK_LIST and ours.effective is None):
            values[name] = value
        elif name == BLOCK_LIST and value.effective is not None:
            values[name] = Value(f"{ours.text},{value.text}", f"{ours.origin} and {value.origin}")
    problems: list[ConfigurationError] = []
    changed = _interpret(values, problems, environment.warnings)
    return (environment, [problem.message for problem in problems]) if problems else (changed, [])


def _seconds(reader: _Reader) -> Mapping[str, float]:
    """The limits that are set, by field name: times in seconds, memory in megabytes."""
    times = {"wait": WAIT, "import_limit": IMPORT_LIMIT, "pick_up_max": PICK_UP_MAX}
    times |= {"answer_max": ANSWER_MAX, "source_max": SOURCE_MAX, "run_max": RUN_MAX}
    limits = validate.Range(min=0, max=MAX_SECONDS, error="must be a number of seconds from {min} to {max}")
    read = {field: reader.float(name, default=None, validate=limits) for field, name in times.items()}
    room = validate.Range(min=64, max=1 << 24, error="must be a number of megabytes from {min} to {max}")
    read["program_memory"] = reader.float(PROGRAM_MEMORY, default=None, validate=room)
    return {field: value for field, value in read.items() if value is not None}


def _amounts(reader: _Reader) -> Mapping[str, float]:
    """The limits of the outbox: its age in seconds, and its size in bytes."""
    wanted = {
        "outbox_max_age": (OUTBOX_MAX_AGE, _AGES, "write seconds, or a number with m, h or d, such as 30d"),
        "outbox_max_bytes": (OUTBOX_MAX_BYTES, _SIZES, "write bytes, or a number with k, M or G, such as 10G"),
    }
    found = {}
    for field, (name, units, advice) in wanted.items():
        text = reader.str(name, default=None, validate=_is_amount(units, advice))
        if text is not None and (amount := _amount(text, units)) is not None:
            found[field] = amount
    return found


_AGES = {"": 1.0, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_SIZES = {"": 1.0, "k": 1e3, "M": 1e6, "G": 1e9}


def _amount(text: str, units: Mapping[str, float]) -> float | None:
    match = re.fullmatch(r"(\d{1,15}(?:\.\d{1,6})?)\s*([A-Za-z]?)", text)
    unit = units.get(match[2]) if match else None
    return float(match[1]) * unit if match and unit else None


def _is_amount(units: Mapping[str, float], advice: str) -> Callable[[str], None]:
    def check(text: str) -> None:
        if not _amount(text, units):
            raise environs.ValidationError(advice)

    return check


def _problems_of(reader: _Reader, values: Mapping[str, Value]) -> Iterable[ConfigurationError]:
    try:
        reader.seal()
    except environs.EnvValidationError as error:
        found: Any = error.error_messages  # a mapping where several variables were read, as here
        for name, messages in found.items():
            text = "; ".join(str(message) for message in messages).rstrip(".")
            text = text.replace("Not a valid boolean", "this is neither yes nor no")
            yield ConfigurationError(
                f"{name} ({_origin(values, name)}): {values[name].text!r}: {text}", "correct or remove it"
            )


def _origin(values: Mapping[str, Value], name: str) -> str:
    return values[name].origin if name in values else "default"


def malformed_keys(keys: Iterable[str], origin: str) -> Iterable[ConfigurationError]:
    """Yield an error for each project key that a controller would not accept."""
    for key in keys:
        if not re.fullmatch(rf"[A-Z]{{1,{MAX_KEY_LENGTH}}}", key):
            hint = f"a project key is 1 to {MAX_KEY_LENGTH} capital letters"
            if re.fullmatch("[A-Z]{1,20}", key.upper()):
                hint += f"; was {key.upper()} meant?"
            elif re.fullmatch(r"[A-Za-z]+([,;][A-Za-z]+)+", key):
                hint += "; separate several keys by spaces in JIRA_KEY, or give each a --project option of its own"
            yield ConfigurationError(f"{key!r} ({origin}) is not a project key", hint)

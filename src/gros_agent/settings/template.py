"""Every option of the two configuration files, and the template that fills them from the environment.

The names of sections, options and variables are those of existing GROS installations.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from gros_agent.options.hosts import HostOption
from gros_agent.options.rights import Right
from gros_agent.options.values import Value, is_falsy
from gros_agent.sources import host_options


@dataclass(frozen=True, slots=True)
class Option:
    """An option of a configuration file, the variable that fills it in a new file, and the controller's right to it."""

    section: str
    name: str
    variable: str
    secret: bool = False
    controller: Right = Right.UNUSED


def _section(
    section: str, prefix: str, names: str, rights: Mapping[str, Right] | None = None, others: Right = Right.UNUSED
) -> tuple[Option, ...]:
    """Declare a section from words such as ``name`` or ``name=SUFFIX``; a ``!`` in front marks a secret.

    ``rights`` maps names of options to the controller's right; ``others`` is the right to all other options.
    """
    options = []
    for word in names.split():
        name, _, suffix = word.lstrip("!").partition("=")
        right = (rights or {}).get(name, others)
        options.append(Option(section, name, prefix + (suffix or name.upper()), word.startswith("!"), right))
    return tuple(options)


_QUALITY = {"name": Right.NAME, "url": Right.ADDRESS}

SETTINGS: tuple[Option, ...] = (
    *_section(
        "jira",
        "JIRA_",
        "server username=USER !password !token query fields",
        {
            "server": Right.ADDRESS,
            "username": Right.CREDENTIAL,
            "password": Right.CREDENTIAL,
            "token": Right.CREDENTIAL,
            "query": Right.NAME,
            "fields": Right.FILE,
        },
    ),
    *_section("quality-time", "QUALITY_TIME_", "name url", _QUALITY),
    *_section("sonar", "SONAR_", "name url", _QUALITY),
    *_section(
        "jenkins",
        "JENKINS_",
        "host username !password verify scrape=JOB !token",
        {
            "host": Right.ADDRESS,
            "username": Right.CREDENTIAL,
            "password": Right.CREDENTIAL,
            "verify": Right.TRUST,
        },
    ),
    *_section("gitlab", "GITLAB_", "url repo !token user level"),
    *_section("dropins", "DROPINS_", "type=STORE url username=USER !password"),
    *_section("database", "MONETDB_", "username=USER !password host name"),
    *_section(
        "ssh",
        "SSH_",
        "username host cert=HTTPS_CERT port https_port=HTTPS_PORT",
        {"cert": Right.TRUST},
        Right.CONTROLLER,
    ),
    *_section("importer", "IMPORTER_", "url job branch results artifact"),
    *_section("bigboat", "BIGBOAT_", "host !key"),
    *_section("schedule", "SCHEDULE_", "days drift"),
    *_section(
        "ldap",
        "LDAP_",
        "server root_dn search_filter manager_dn !manager_password group_dn group_attr display_name",
    ),
    *_section("deploy", "DEPLOYER_", "!auth"),
)
"""The options of ``settings.cfg``."""


@dataclass(frozen=True, slots=True)
class Keyed:
    """A section whose options are project keys: the variable with the keys, and the variable with their value."""

    keys: str
    value: str
    controller: Right = Right.UNUSED


KEYED: Mapping[str, Keyed] = {
    "projects": Keyed("JIRA_KEY", "PROJECT_NAME", Right.NAME),
    "subprojects": Keyed("SUBPROJECT_KEY", "JIRA_KEY"),
    "teams": Keyed("JIRA_KEY", "TEAM_NAME", Right.NAME),
    "support": Keyed("JIRA_KEY", "SUPPORT_TEAM", Right.NAME),
    "network": Keyed("JIRA_KEY", "CONTROLLER_NETWORK"),
    "access": Keyed("JIRA_KEY", "ACCESS_NETWORK"),
}
"""The sections whose options are project keys."""


HOST_OPTIONS: tuple[HostOption, ...] = tuple(host_options().values())
"""The options of a section of ``credentials.cfg``: those that sources declare."""

ACCESS_VARIABLE = "AGENT_TOKEN"
SECRET_HOST_OPTIONS = frozenset(option.name for option in HOST_OPTIONS if option.secret)
_KNOWN_OPTIONS = frozenset((option.section, option.name) for option in SETTINGS)
_KNOWN_HOST_OPTIONS = frozenset(option.name for option in HOST_OPTIONS)
SECRET_OPTIONS = frozenset((option.section, option.name) for option in SETTINGS if option.secret)
SECRET_VARIABLES = frozenset(
    (
        ACCESS_VARIABLE,
        *(option.variable for option in SETTINGS if option.secret),
        *(option.variable("SOURCE_") for option in HOST_OPTIONS if option.secret),
        *(option.variable("DEFINITIONS_") for option in HOST_OPTIONS if option.secret and option.definitions),
    )
)
"""The variables with secrets. Each secret may be in a file instead, whose path is in ``NAME_FILE``."""


def is_declared_secret(section: str, option: str) -> bool:
    """Whether an option or variable is declared as secret. Sections other than our own belong to hosts."""
    name = option.partition(".")[0]
    return option in SECRET_VARIABLES or option in SECRET_HOST_OPTIONS or (section, name) in SECRET_OPTIONS


def is_secret(section: str, option: str) -> bool:
    """Whether an option of ``settings.cfg`` is secret; ``option`` may include a project, as in ``key.ABC``.

    Unknown options count as secret, since they may be a misspelt secret.
    """
    name = option.partition(".")[0]
    return (section, name) in SECRET_OPTIONS or (section not in KEYED and (section, name) not in _KNOWN_OPTIONS)


def is_secret_host_option(option: str) -> bool:
    """Whether an option of ``credentials.cfg`` is secret. Unknown options count as secret."""
    return option in SECRET_HOST_OPTIONS or option not in _KNOWN_HOST_OPTIONS


def controller_rights() -> Mapping[str, Right]:
    """The controller's right to each variable that sets an option, or that names a file with a secret."""
    rights = {option.variable: option.controller for option in SETTINGS}
    rights |= {keyed.value: keyed.controller for keyed in KEYED.values()}
    for option in HOST_OPTIONS:
        prefixes = ("SOURCE_", "DEFINITIONS_") if option.definitions else ("SOURCE_",)
        if option.in_template:
            rights |= {option.variable(prefix): option.controller for prefix in prefixes}
    return rights | {f"{name}_FILE": Right.FILE for name in sorted(SECRET_VARIABLES)}


Sections = dict[str, dict[str, Value]]
"""The content of a configuration file: section → option in lower case → value."""


def fill_settings(environment: Mapping[str, Value]) -> Sections:
    """The content of a new ``settings.cfg``: every option with the value of its variable, or empty."""
    sections: Sections = {}
    for option in SETTINGS:
        sections.setdefault(option.section, {})[option.name] = _variable(environment, option.variable)
    for section, keyed in KEYED.items():
        content = sections.setdefault(section, {})
        for key in (_variable(environment, keyed.keys).effective or "").split():
            content[key.lower()] = _variable(environment, keyed.value)
    return sections


_OWN = {"ssh": {"port", "https_port"}, "jira": {"token", "query", "fields"}}
OWN = tuple(option for option in SETTINGS if option.name in _OWN.get(option.section, ()))
"""Options that only this agent has. A configuration tool drops them when it rewrites their section."""


def fill_own(sections: Sections, environment: Mapping[str, Value]) -> None:
    """Fill in :data:`OWN` options that are missing in a settings file, from their variables."""
    for option in OWN:
        if option.variable in environment and option.name not in sections.get(option.section, {}):
            sections.setdefault(option.section, {})[option.name] = _variable(environment, option.variable)


def fill_credentials(environment: Mapping[str, Value]) -> Sections:
    """The content of a new ``credentials.cfg``: sections for the host of the sources and that of the definitions."""
    sections: Sections = {}
    for prefix in ("DEFINITIONS_", "SOURCE_"):
        host = _variable(environment, prefix + "HOST").text
        if not is_falsy(host):
            section = sections.setdefault(host.strip().lower(), {})
            section.update(_host_section(environment, prefix))
    return sections


def _host_section(environment: Mapping[str, Value], prefix: str) -> Iterator[tuple[str, Value]]:
    for option in HOST_OPTIONS:
        if option.in_template and (option.definitions or prefix == "SOURCE_"):
            yield option.name, _variable(environment, option.variable(prefix))


def _variable(environment: Mapping[str, Value], name: str) -> Value:
    if name in environment:
        found = environment[name]
        return Value(found.text, f"variable {name} ({found.origin})")
    return Value("", "default")

"""A controller's environment text: settings with the lowest precedence, limited to an allow-list.

The declaration of a variable says whether a controller may set it (:class:`gros_agent.options.rights.Right`). A
credential is sent only to a host whose address has the same or a stronger origin. So an address from the controller is
refused if the operator's credentials would be sent to it, and a credential from the controller is refused if a section
of the operator would send it elsewhere. Mistakes in the text never become errors.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from urllib.parse import urlsplit

from gros_agent.errors import ConfigurationError
from gros_agent.options.hosts import HostOption
from gros_agent.options.rights import LEVELS, MODE_VARIABLE, MODES, Right, TextMode
from gros_agent.options.values import Value
from gros_agent.runtime.files import read_text
from gros_agent.settings import envfile
from gros_agent.settings.environment import PROXIES, VARIABLES, with_weaker
from gros_agent.settings.model import ProjectSettings, Settings
from gros_agent.settings.template import HOST_OPTIONS, KEYED, SETTINGS, Option, Sections, controller_rights

FILE = "preflight_env"
"""The file in a project's folder with the latest text from its controller."""
MAX_BYTES = 64 << 10
"""The size limit of a text, in bytes. A real text has a few lines."""
MAX_LINES = 500
HTTPS_PORT = 443
_ORIGIN = Path("the controller's environment text")
_SHOWN = 20
"""The number of refusals that are shown one by one. Further refusals are counted."""
_CREDENTIALS = {"username", "password", "token"}
"""Options with credentials, whether they are secret or not."""
_PREFIXES = ("SOURCE_", "DEFINITIONS_")


@dataclass(frozen=True)
class Applied:
    """The settings after a text was applied, and which variables took effect, lost against ours, or were refused."""

    settings: Settings
    counts: tuple[str, ...] = ()
    loses: tuple[str, ...] = ()
    refused: tuple[str, ...] = ()

    def warnings(self) -> Iterator[str]:
        """The refusals in words; a long list is cut."""
        yield from self.refused[:_SHOWN]
        if len(self.refused) > _SHOWN:
            yield f"{len(self.refused) - _SHOWN} more lines of {_ORIGIN} were not taken"


def rights() -> dict[str, Right]:
    """The controller's right to each declared variable, by name."""
    found = {name: one.controller for name, one in (*VARIABLES.items(), *PROXIES.items())}
    return {**controller_rights(), **found}


def right_to(name: str) -> Right:
    """The controller's right to a variable. Variables of command-line options concern the agent itself."""
    return rights().get(name) or (Right.AGENT if name.startswith("GROS_AGENT_") else Right.UNKNOWN)


def excess(text: str) -> str | None:
    """Why a text is too large to keep, or None."""
    size, lines = len(text.encode(errors="replace")), text.count("\n") + 1
    if size > MAX_BYTES:
        return f"{_ORIGIN} has {size} bytes, more than {MAX_BYTES}"
    if lines > MAX_LINES:
        return f"{_ORIGIN} has {lines} lines, more than {MAX_LINES}"
    return None


def kept(project: ProjectSettings) -> Applied:
    """The settings with the text that is kept for a project. A text that can't be read sets nothing."""
    path = project.folder / FILE
    try:
        text = read_text(path, str(_ORIGIN))
    except ConfigurationError as error:
        return Applied(project.settings, refused=(error.message,))
    return Applied(project.settings) if text is None else applied(project, text)


def applied(project: ProjectSettings, text: str) -> Applied:
    """The settings with a text applied to a project. Never raises: everything invalid is refused."""
    if (reason := excess(text)) is not None:
        return Applied(project.settings, refused=(f"{reason}: nothing of it was taken",))
    content = envfile.parse(text, _ORIGIN)
    work = _Work(project.settings, project.key, refused=[problem.message for problem in content.problems])
    known = rights()
    taken = {}
    for name, value in content.variables.items():
        right = known.get(name) or right_to(name)
        if right.mode is None:
            work.refuse(name, f"it {right.meaning}")
        elif project.environment.controller_mode is TextMode.NONE:
            work.refuse(name, f"{MODE_VARIABLE} accepts nothing")
        elif project.environment.controller_mode < right.mode:
            said = next(text for text, mode in MODES.items() if mode == right.mode)
            work.refuse(name, f"it {right.meaning}, which {MODE_VARIABLE}={said} would allow")
        elif right is Right.LEVEL and value.effective and value.effective not in LEVELS:
            work.refuse(name, f"{value.text[:40]!a} is none of {', '.join(LEVELS)}")
        elif value.text:
            taken[name] = replace(value, of_controller=True)
    work.take(taken)
    return Applied(work.settings(), tuple(work.counts), tuple(work.loses), tuple(work.refused))


@dataclass
class _Work:
    """Adds the variables of one text to the operator's settings, only where the operator has set nothing."""

    before: Settings
    project: str
    refused: list[str]
    counts: list[str] = field(default_factory=list)
    loses: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._environment = self.before.environment
        self._sections: Sections = {name: dict(content) for name, content in self.before.sections.items()}
        self._hosts: Sections = {name: dict(content) for name, content in self.before.hosts.items()}

    def settings(self) -> Settings:
        """The settings in their current state."""
        return replace(self.before, environment=self._environment, sections=self._sections, hosts=self._hosts)

    def refuse(self, name: str, reason: str) -> None:
        self.refused.append(f"{name} of the controller was not taken: {reason}")

    def take(self, variables: Mapping[str, Value]) -> None:
        """Apply the variables that a controller may set, unless a setting of the operator prevents it."""
        for name in VARIABLES:
            if name in variables and not name.endswith("_HOST"):
                self._variable(name, variables[name])
        for keyed_section, keyed in KEYED.items():
            if keyed.value in variables and keyed.value not in VARIABLES:
                self._fill(self._sections, keyed_section, self.project.lower(), keyed.value, variables)
        for option in SETTINGS:
            if option.variable in variables and self._is_possible(option, variables):
                self._fill(self._sections, option.section, option.name, option.variable, variables)
        for prefix in _PREFIXES:
            self._host(prefix, variables)

    def _variable(self, name: str, value: Value) -> None:
        ours = self._environment.values.get(name)
        if ours is not None and ours.text.strip() and right_to(name) is not Right.ADDED:
            self.loses.append(name)
            return
        changed, problems = with_weaker(self._environment, {name: value})
        if problems:
            self.refuse(name, problems[0])
        else:
            self._environment = changed
            self.counts.append(name)

    def _fill(self, where: Sections, section: str, option: str, name: str, variables: Mapping[str, Value]) -> None:
        """Set an option that has no value. An option that a template left empty counts as unset."""
        content = where.setdefault(section, {})
        if self._is_ours(content, option):
            self.loses.append(name)
        else:
            content[option] = variables[name]
            self.counts.append(name)

    def _is_ours(self, content: Mapping[str, Value], option: str) -> bool:
        """Whether the operator has set an option for this project. A value for another project does not count."""
        return _has_text(content, option) or _has_text(content, f"{option}.{self.project.lower()}")

    def _is_possible(self, option: Option, variables: Mapping[str, Value]) -> bool:
        """Whether the controller's value for an option of ``settings.cfg`` is acceptable; if not, note the refusal."""
        ours = self.before.sections.get(option.section, {})
        if option.controller is Right.ADDRESS and not self._is_ours(ours, option.name):
            credentials = [name for name in ours if name.partition(".")[0] in _CREDENTIALS and _has_text(ours, name)]
            reason = (
                f"[{option.section}] has {' and '.join(credentials)} of yours, which would go there"
                if credentials
                else self._foreign(variables[option.variable].text)
            )
            if reason:
                self.refuse(option.variable, reason)
                return False
        if option.controller is Right.CREDENTIAL and any(
            one.controller is Right.ADDRESS
            and any(name.partition(".")[0] == one.name and _has_text(ours, name) for name in ours)
            for one in SETTINGS
            if one.section == option.section
        ):
            self.refuse(option.variable, f"[{option.section}] has an address of yours")
            return False
        return True

    def _foreign(self, address: str) -> str:
        """Why an address is refused: it is invalid, or credentials for a host would be sent elsewhere.

        Empty if it is fine.
        """
        try:
            parts = urlsplit(address if "://" in address else f"https://{address}")
            host, port = parts.hostname, parts.port
        except ValueError:
            host, port, parts = None, None, urlsplit("")
        if parts.scheme not in {"http", "https"} or not host:
            return "it is not a web address"
        if not (sections := self._sections_of(host)):
            return ""
        own = {self._hosts[section][name].effective for section in sections for name in _ports(self._hosts[section])}
        named = {section.rpartition(":")[2] for section in sections if ":" in section}
        if parts.scheme == "https" and (port in {None, HTTPS_PORT} or str(port) in own | named):
            return ""
        return f"{host} has a section of yours in the credentials file, so only HTTPS at its own port is accepted"

    def _sections_of(self, host: str) -> list[str]:
        return [section for section in self.before.hosts if section.partition(":")[0] == host.lower()]

    def _host(self, prefix: str, variables: Mapping[str, Value]) -> None:
        """Fill the section of a host: a section of the controller's own, or unset options of an operator's section."""
        named = variables.get(f"{prefix}HOST")
        ours = self._environment.values.get(f"{prefix}HOST")
        has_own = ours is not None and ours.effective is not None
        if named is not None and has_own:
            self.loses.append(f"{prefix}HOST")
        host = ((ours if ours is not None and has_own else named) or Value("", "")).text.strip().lower()
        given = {
            option.variable(prefix): option
            for option in HOST_OPTIONS
            if option.in_template and option.variable(prefix) in variables and (option.definitions or prefix[0] == "S")
        }
        if not host:
            for name in given:
                self.refuse(name, f"{prefix}HOST does not say which host it is for")
            return
        is_ours = bool(self._sections_of(host.partition(":")[0]))
        if named is not None and not has_own:
            self.counts.append(f"{prefix}HOST")
        if not is_ours:
            self._hosts.setdefault(host, {})
        for name, option in given.items():
            if is_ours and (option.controller is Right.CREDENTIAL or not self._names(host, option)):
                self.refuse(name, f"{host} has a section of yours in the credentials file")
            else:
                self._fill(self._hosts, host, option.name, name, variables)

    def _names(self, host: str, option: HostOption) -> bool:
        """Whether this option of the controller may be added to an operator's section for exactly this host."""
        return host in self.before.hosts and option.controller is Right.NAME


def _has_text(content: Mapping[str, Value], name: str) -> bool:
    """Whether an option has a value."""
    value = content.get(name)
    return value is not None and bool(value.text.strip())


def _ports(section: Mapping[str, Value]) -> Iterator[str]:
    yield from (name for name in ("port", "web_port") if name in section)

"""Finds settings that are probably mistakes: unknown names, variables without effect, and values that can't work."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from urllib.parse import urlsplit

from gros_agent.errors import ConfigurationError
from gros_agent.options.rights import Right
from gros_agent.options.values import Value
from gros_agent.runtime.spelling import did_you_mean, is_near
from gros_agent.settings.controller_text import rights
from gros_agent.settings.environment import HOSTNAME, LIMITS
from gros_agent.settings.model import InvalidPortError, Settings, masked
from gros_agent.settings.template import HOST_OPTIONS, KEYED, SETTINGS, Sections

_SHORTEST = 6
"""The shortest variable name that is compared for misspellings."""
_LARGEST_PORT = 65535
_HOST = re.compile(r"[\w.-]+(:\w*)?|\[[0-9A-Fa-f:.%\w]+\](:\w*)?")
"""Matches a host, optionally with a port. The port is checked separately."""


_SECTION = re.compile(r"[\w.*-]+(:\d{1,5})?|\[?[0-9A-Fa-f:.%]+\]?(:\d{1,5})?")
"""Matches a host as a section name of the credentials file."""


def unknown_options(settings: Settings) -> Iterator[str]:
    """Unknown sections and options of the configuration files, which may be misspelt."""
    if settings.settings_file.exists():
        options: dict[str, set[str]] = {}
        for one in SETTINGS:
            options.setdefault(one.section, set()).add(one.name)
        for section, content in settings.sections.items():
            if section in KEYED:
                continue
            if section not in options:
                question = did_you_mean(section, (*options, *KEYED))
                yield f"{settings.settings_file}: there is no section [{section}]{question}"
                continue
            yield from _unknown(section, content, options[section])
    if settings.credentials_file.exists():
        names = {one.name for one in HOST_OPTIONS}
        for section, content in settings.hosts.items():
            if not _SECTION.fullmatch(section):
                yield f"{settings.credentials_file}: [{section}] is not a host: write [HOST] or [HOST:PORT]"
            yield from _unknown(section, content, names)


def _unknown(section: str, content: Mapping[str, Value], known: set[str]) -> Iterator[str]:
    for name, value in content.items():
        if name not in known and name.partition(".")[0] not in known and not value.of_controller:
            question = did_you_mean(name.partition(".")[0], known)
            yield f"{value.origin}: [{section}] has no option {name}{question}"


def misspelt_variables(variables: Mapping[str, Value], hosts: Sections) -> Iterator[str]:
    """Variables that may be a misspelt name of ours.

    Only one letter may differ, since machines have similar variables of their own, such as ``JENKINS_HOME`` and
    ``JENKINS_HOST``.
    """
    known = rights()
    led_to = {value.text.strip() for content in hosts.values() for name, value in content.items() if name == "env"}
    led_to |= {value.text.strip() for name, value in variables.items() if name.endswith("_CREDENTIALS_ENV")}
    for name, value in variables.items():
        if name in known or name in led_to or len(name) < _SHORTEST:
            continue
        ours = [one for one in known if "_" in one] if value.origin == "environment" else known  # not LOG_LEVEL
        near = [one for one in ours if abs(len(one) - len(name)) <= 1 and is_near(name, one)]
        if near and near[0] not in variables:
            yield f"the variable {name} ({value.origin}) is unknown to the agent: did you mean {near[0]}?"


def switched_off_limits(settings: Settings) -> Iterator[str]:
    """Limits that are set to 0 or another falsy value, which does not switch them off."""
    for name in LIMITS:
        value = settings.environment.values.get(name)
        if value is not None and value.text.strip() and value.effective is None:
            yield f"{name}={value.text} ({value.origin}) leaves the default limit: write a number above 0"


def short_hostname(settings: Settings) -> Iterator[str]:
    """A host name of this machine that controllers do not accept."""
    value = settings.environment.values.get(HOSTNAME)
    if value is not None and value.effective and "." not in value.effective:
        yield f"{HOSTNAME}={value.text} ({value.origin}) has no dot: it is not sent to the controller"


def losing_variables(settings: Settings) -> Iterator[str]:
    """Variables whose option has another value in a file. Once the file exists, it takes precedence."""
    if settings.settings_file.exists():
        yield from _losing_options(settings)
        yield from _losing_names(settings)
    if settings.credentials_file.exists():
        yield from _losing_credentials(settings)


def _losing_names(settings: Settings) -> Iterator[str]:
    """Variables with the name of a project, or of its team."""
    for section, keyed in KEYED.items():
        variable = settings.environment.values.get(keyed.value)
        if variable is None or variable.effective is None or keyed.controller is Right.UNUSED:
            continue
        for key in settings.environment.projects:
            ours = settings.sections.get(section, {}).get(key.lower())
            yield from _otherwise(settings.settings_file, (section, key), ours, (keyed.value, variable), secret=False)


def _losing_credentials(settings: Settings) -> Iterator[str]:
    """Variables with options of a host."""
    variables = settings.environment.values
    for prefix in ("DEFINITIONS_", "SOURCE_"):
        host = variables.get(f"{prefix}HOST")
        if host is None or host.effective is None:
            continue
        section = host.text.strip().lower()
        for option in HOST_OPTIONS:
            name = option.variable(prefix)
            variable = variables.get(name) if option.in_template else None
            if variable is None or variable.effective is None or (prefix == "DEFINITIONS_" and not option.definitions):
                continue
            ours = settings.hosts.get(section, {}).get(option.name)
            place = (section, option.name)
            yield from _otherwise(settings.credentials_file, place, ours, (name, variable), secret=option.secret)


def variables_without_host(settings: Settings) -> Iterator[str]:
    """Variables with options of a host that is not named by any variable."""
    variables = settings.environment.values
    for prefix in ("DEFINITIONS_", "SOURCE_"):
        host = variables.get(f"{prefix}HOST")
        if host is not None and host.effective is not None:
            continue
        for option in HOST_OPTIONS:
            name = option.variable(prefix)
            variable = variables.get(name)
            is_ours = option.in_template and option.name != "env" and (option.definitions or prefix == "SOURCE_")
            if is_ours and variable is not None and variable.effective is not None:
                yield f"{name} ({variable.origin}) is ignored, since {prefix}HOST does not say which host it is for"


def _otherwise(
    file: Path, place: tuple[str, str], ours: Value | None, theirs: tuple[str, Value], *, secret: bool
) -> Iterator[str]:
    """Warn that a variable has no effect, if the file has a different value."""
    (section, option), (name, variable) = place, theirs
    if ours is None:
        where = f"{file} has no {option} in [{section}]"
    elif ours.text.strip() == variable.text.strip():
        return
    else:
        where = f"{ours.origin} says {masked(ours, secret=secret) or 'nothing'} for [{section}] {option}"
    yield _loses(name, masked(variable, secret=secret), variable, where)


def quoted_values(settings: Settings) -> Iterator[str]:
    """Values in quotes. The files keep quotes, unlike a shell."""
    for section, content in (*settings.sections.items(), *settings.hosts.items()):
        for name, value in content.items():
            text = value.text.strip()
            is_of_file = " line " in value.origin and not value.origin.startswith("variable ")
            if is_of_file and len(text) > 1 and text[0] == text[-1] and text[0] in "'\"":
                yield f"{value.origin}: [{section}] {name} is in quotes, which become part of the value: leave them out"


def missing_files(settings: Settings) -> Iterator[str]:
    """Files that a variable names and that do not exist. A file with the usual name is created if it is missing."""
    named = {"GATHERER_SETTINGS_FILE": settings.settings_file, "GATHERER_CREDENTIALS_FILE": settings.credentials_file}
    for name, path in named.items():
        variable = settings.environment.values.get(name)
        if variable is None or variable.effective is None or path.exists() or settings.home.frozen is not None:
            continue
        if not path.parent.is_dir() or path.name not in {"settings.cfg", "credentials.cfg"}:
            yield f"{name} ({variable.origin}): there is no file {path}: variables and defaults apply instead"


def _losing_options(settings: Settings) -> Iterator[str]:
    for option in SETTINGS:
        variable = settings.environment.values.get(option.variable)
        if variable is None or variable.effective is None or option.controller is Right.UNUSED:
            continue
        ours = settings.sections.get(option.section, {}).get(option.name)
        if ours is None or not ours.origin.startswith(("variable ", "option ")):
            place, theirs = (option.section, option.name), (option.variable, variable)
            yield from _otherwise(settings.settings_file, place, ours, theirs, secret=option.secret)


def _loses(name: str, text: str, value: Value, where: str) -> str:
    return f"{name}={text} ({value.origin}) is ignored, since {where}: the file takes precedence, correct it there"


def wrong_values(settings: Settings) -> Iterator[ConfigurationError]:
    """Invalid ports and addresses."""
    for option in ("port", "https_port"):
        value = settings.value("ssh", option)
        if value is not None:
            yield from _wrong_port("ssh", option, value)
    for section, content in settings.hosts.items():
        yield from _wrong_host(section, content)
    yield from _wrong_controller(settings)
    for one in SETTINGS:
        for name, value in settings.sections.get(one.section, {}).items():
            if one.controller is Right.ADDRESS and name.partition(".")[0] == one.name and value.effective:
                yield from _wrong_address(one.section, name, value)


def _wrong_controller(settings: Settings) -> Iterator[ConfigurationError]:
    hosts = [(name, value) for name, value in settings.sections.get("ssh", {}).items() if name.split(".")[0] == "host"]
    wrong = [(name, value) for name, value in hosts if value.effective and not _HOST.fullmatch(value.effective)]
    for name, value in wrong:
        shown = "the address" if "@" in value.text else value.text
        message = f"[ssh] {name} = {shown} ({value.origin}): this is not a host name"
        yield ConfigurationError(message, "write HOST or HOST:PORT")
    if wrong:
        return
    try:
        settings.controller_address()
    except InvalidPortError:
        pass  # the checks of ports report it
    except ConfigurationError as error:
        yield error


def _wrong_host(section: str, content: Mapping[str, Value]) -> Iterator[ConfigurationError]:
    for option in ("port", "web_port"):
        if option in content:
            yield from _wrong_port(section, option, content[option])
    protocol = content.get("protocol")
    if protocol is not None and protocol.effective not in {None, "http", "https"}:
        message = f"[{section}] protocol = {protocol.text} ({protocol.origin}): this is not a protocol of an API"
        yield ConfigurationError(message, "write http or https")


def _wrong_port(section: str, option: str, value: Value) -> Iterator[ConfigurationError]:
    text = value.effective
    if text is not None and not (text.isascii() and text.isdecimal() and 0 < int(text[:6]) <= _LARGEST_PORT):
        message = f"[{section}] {option} = {text} ({value.origin}): this is not a port"
        yield ConfigurationError(message, f"write a number from 1 to {_LARGEST_PORT}")


def _wrong_address(section: str, option: str, value: Value) -> Iterator[ConfigurationError]:
    text = (value.effective or "").replace("{}", "name")
    try:
        parts = urlsplit(text if "://" in text else f"https://{text}")
        fits = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        fits = False
    if not fits or any(letter.isspace() for letter in text):
        shown = text if "@" not in text else "the address"
        yield ConfigurationError(
            f"[{section}] {option} = {shown} ({value.origin}): this is not a web address", "write https://HOST/PATH"
        )

"""What was probably meant otherwise: names that nothing knows, variables that lose, values that can't work."""

from collections.abc import Iterable, Iterator, Mapping
from urllib.parse import urlsplit

from gros_agent.errors import ConfigurationError
from gros_agent.settings.controller_text import rights
from gros_agent.settings.model import Settings, masked
from gros_agent.settings.options import HOST_OPTIONS, KEYED, SETTINGS, Sections
from gros_agent.settings.rights import Right
from gros_agent.settings.values import Value

_SHORTEST = 6
"""Letters that a variable's name needs to be taken for a misspelt one."""
_LARGEST_PORT = 65535


def is_near(text: str, other: str) -> bool:
    """Whether two texts differ by one letter that is missing, is another or changed places, or in their case alone."""
    one, two = text.lower(), other.lower()
    if one == two:
        return True
    while one and two and one[0] == two[0]:
        one, two = one[1:], two[1:]
    while one and two and one[-1] == two[-1]:
        one, two = one[:-1], two[:-1]
    is_one_letter = max(len(one), len(two)) == 1
    return is_one_letter or (len(one) == len("ab") and one == two[::-1])


def meant(text: str, known: Iterable[str]) -> str:
    """A question for the known name that a text is probably meant to be; nothing where none is near."""
    from difflib import get_close_matches  # noqa: PLC0415 (few names are wrong)

    names = tuple(known)
    near = [name for name in names if is_near(text, name)] or get_close_matches(text.lower(), names, 1, 0.7)
    return f": did you mean {near[0]}?" if near else ""


def unknown_options(settings: Settings) -> Iterator[str]:
    """Sections and options of the configuration files that nothing knows, which is what a misspelt one is."""
    if settings.settings_file.exists():
        options: dict[str, set[str]] = {}
        for one in SETTINGS:
            options.setdefault(one.section, set()).add(one.name)
        for section, content in settings.sections.items():
            if section in KEYED:
                continue
            if section not in options:
                question = meant(section, (*options, *KEYED))
                yield f"{settings.settings_file}: there is no section [{section}]{question}"
                continue
            yield from _unknown(section, content, options[section])
    if settings.credentials_file.exists():
        names = {one.name for one in HOST_OPTIONS}
        for section, content in settings.hosts.items():
            yield from _unknown(section, content, names)


def _unknown(section: str, content: Mapping[str, Value], known: set[str]) -> Iterator[str]:
    for name, value in content.items():
        if name not in known and name.partition(".")[0] not in known and not value.of_controller:
            question = meant(name.partition(".")[0], known)
            yield f"{value.origin}: [{section}] has no option {name}{question}"


def misspelt_variables(variables: Mapping[str, Value], hosts: Sections) -> Iterator[str]:
    """Variables whose name is near that of one that counts.

    Only one letter may differ: a machine has variables of its own, such as ``JENKINS_HOME`` beside ``JENKINS_HOST``.
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
            yield f"the variable {name} ({value.origin}) is none of the agent's: did you mean {near[0]}?"


def losing_variables(settings: Settings) -> Iterator[str]:
    """Variables of options that a file has otherwise: the file is the authority once it is there."""
    if not settings.settings_file.exists():
        return
    for option in SETTINGS:
        variable = settings.environment.values.get(option.variable)
        if variable is None or variable.effective is None or option.controller is Right.UNUSED:
            continue
        ours = settings.sections.get(option.section, {}).get(option.name)
        if ours is None or ours.origin.startswith(("variable ", "option ")):
            if ours is None:
                where = f"{settings.settings_file} has no {option.name} in [{option.section}]"
                yield _loses(option.variable, masked(variable, secret=option.secret), variable, where)
        elif ours.text.strip() != variable.text.strip():
            said = masked(ours, secret=option.secret) or "nothing"
            where = f"{ours.origin} says {said} for [{option.section}] {option.name}"
            yield _loses(option.variable, masked(variable, secret=option.secret), variable, where)


def _loses(name: str, text: str, value: Value, where: str) -> str:
    return f"{name}={text} ({value.origin}) does not count, since {where}: the file is the authority, correct it there"


def wrong_values(settings: Settings) -> Iterator[ConfigurationError]:
    """Ports and addresses that can't work, wherever they stand."""
    for option in ("port", "https_port"):
        value = settings.value("ssh", option)
        if value is not None:
            yield from _wrong_port("ssh", option, value)
    for section, content in settings.hosts.items():
        yield from _wrong_host(section, content)
    try:
        settings.controller_address()
    except ConfigurationError as error:
        if "this is no port" not in error.message:
            yield error
    for one in SETTINGS:
        for name, value in settings.sections.get(one.section, {}).items():
            if one.controller is Right.ADDRESS and name.partition(".")[0] == one.name and value.effective:
                yield from _wrong_address(one.section, name, value)


def _wrong_host(section: str, content: Mapping[str, Value]) -> Iterator[ConfigurationError]:
    for option in ("port", "web_port"):
        if option in content:
            yield from _wrong_port(section, option, content[option])
    protocol = content.get("protocol")
    if protocol is not None and protocol.effective not in {None, "http", "https"}:
        message = f"[{section}] protocol = {protocol.text} ({protocol.origin}): this is no protocol of an API"
        yield ConfigurationError(message, "write http or https")


def _wrong_port(section: str, option: str, value: Value) -> Iterator[ConfigurationError]:
    text = value.effective
    if text is not None and not (text.isascii() and text.isdecimal() and 0 < int(text[:6]) <= _LARGEST_PORT):
        message = f"[{section}] {option} = {text} ({value.origin}): this is no port"
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
            f"[{section}] {option} = {shown} ({value.origin}): this is no address of the web", "write https://HOST/PATH"
        )

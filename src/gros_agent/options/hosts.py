"""The options of a host that sources lie on: their declarations, and what is configured.

A source declares the options that it reads. What is not declared can't be read, so that whatever lists, masks or
documents options knows every one of them.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from gros_agent.options.rights import Right
from gros_agent.options.values import Secret, Value


@dataclass(frozen=True, slots=True)
class HostOption:
    """One option of a host's section in ``credentials.cfg``.

    Its variable is ``SOURCE_`` and the suffix, or the name in capitals where there is no suffix; ``DEFINITIONS_`` and
    the same for an option that definitions have too. An option that is not ``in_template`` has no variable. A ``file``
    is the path of one. An option that ``identifies`` tells the system of the host: an entry of type ``git`` on a host
    with it is collected as one of that system. ``git_user`` is the user name that Git gives with this token.
    """

    name: str
    meaning: str
    suffix: str = ""
    definitions: bool = False
    secret: bool = False
    in_template: bool = True
    controller: Right = Right.UNUSED
    file: bool = False
    identifies: bool = False
    git_user: str = ""

    def variable(self, prefix: str) -> str:
        """Name the variable that fills this option; ``prefix`` is ``SOURCE_`` or ``DEFINITIONS_``."""
        return prefix + (self.suffix or self.name.upper())


def by_name(options: Iterable[HostOption]) -> dict[str, HostOption]:
    """The declarations by their names, each once."""
    return {option.name: option for option in options}


class UndeclaredOptionError(LookupError):
    """A source reads an option that it does not declare, or a secret as if it were none: its developer's mistake."""


@dataclass(frozen=True)
class Host:
    """What is configured for one host that sources lie on; ``section`` is empty if nothing is.

    ``declared`` has the options that may be read. ``key`` is the path of the SSH private key; ``unset_variable`` names
    the variable that should have led to one. ``authorities`` is the file with the certificates that the host is
    verified by (None: those that come with the library, where the system has none), and ``authorities_from`` says where
    that is configured. ``files`` has the paths of options that are files. ``address`` is the host[:port] to connect to
    instead, if the section leads to another one.
    """

    section: str = ""
    options: Mapping[str, Value] = field(default_factory=dict)
    declared: Mapping[str, HostOption] = field(default_factory=dict)
    key: Path | None = None
    unset_variable: str = ""
    authorities: Path | None = None
    authorities_from: str = ""
    files: Mapping[str, Path] = field(default_factory=dict)
    address: str = ""

    def limited_to(self, declared: Mapping[str, HostOption]) -> "Host":
        """The same host, of which no other options can be read than these."""
        return replace(
            self,
            declared=declared,
            options={name: value for name, value in self.options.items() if name in declared},
            files={name: path for name, path in self.files.items() if name in declared},
        )

    def get(self, option: str) -> str | None:
        """The text of an option that is not secret, or None where it is missing or switched off."""
        if self._declaration(option).secret:
            raise UndeclaredOptionError(f"the host option {option} is a secret: read it with Host.secret")
        return self._text(option)

    def secret(self, option: str) -> Secret | None:
        """A secret option, or None where it is missing or switched off."""
        if not self._declaration(option).secret:
            raise UndeclaredOptionError(f"the host option {option} is not declared as a secret")
        text = self._text(option)
        return None if text is None else Secret(text)

    def file(self, option: str) -> Path | None:
        """The path that an option has, or None where it is missing or switched off."""
        if not self._declaration(option).file:
            raise UndeclaredOptionError(f"the host option {option} is not declared as a file")
        return self.files.get(option)

    def username(self, scheme: str) -> str | None:
        """The user for ``ssh`` or ``http``."""
        return self.get(f"username.{scheme}") or self.get("username")

    def is_on(self, option: str) -> bool:
        """Whether a switch is on."""
        return self.get(option) is not None

    def _declaration(self, option: str) -> HostOption:
        if option not in self.declared:
            raise UndeclaredOptionError(f"the host option {option} is not declared by the source that reads it")
        return self.declared[option]

    def _text(self, option: str) -> str | None:
        value = self.options.get(option)
        return value.effective if value else None

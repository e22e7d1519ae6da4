"""Options of a host that sources are on: their declarations, and the configured values.

A source declares the options that it reads. Undeclared options can't be read, so that code which lists, masks or
documents options knows all of them.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from gros_agent.options.rights import Right
from gros_agent.options.values import Secret, Value


@dataclass(frozen=True, slots=True)
class HostOption:
    """The declaration of one option of a host's section in ``credentials.cfg``.

    Its variable is ``SOURCE_`` followed by ``suffix``, or by the name in capitals if there is no suffix. With
    ``definitions`` there is also a variable with ``DEFINITIONS_``. An option that is not ``in_template`` has no
    variable. The value of a ``file`` option is a path. An option that ``identifies`` shows the system of the host: an
    entry of type ``git`` on a host with this option is also collected from that system. ``git_user`` is the user name
    for Git with this token.
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
        """The name of the variable that sets this option; ``prefix`` is ``SOURCE_`` or ``DEFINITIONS_``."""
        return prefix + (self.suffix or self.name.upper())


def by_name(options: Iterable[HostOption]) -> dict[str, HostOption]:
    """Map the names of declarations to them. Duplicates are merged."""
    return {option.name: option for option in options}


class UndeclaredOptionError(LookupError):
    """A source reads an undeclared option, or a secret as plain text. This is a bug in the source."""


@dataclass(frozen=True)
class Host:
    """The configuration of one host that sources are on. ``section`` is empty if nothing is configured.

    ``declared`` are the options that can be read. ``key`` is the path of the SSH private key; ``unset_variable`` names
    a variable that should contain that path but is not set. ``authorities`` is the file with the certificates that
    verify the host (None: those that come with the library, if the system has none), and ``authorities_from`` says
    where it is configured. ``files`` has the paths of file options. ``address`` is the host[:port] to connect to
    instead, if the section refers to another one.
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
        """The same host, with access to these options only."""
        return replace(
            self,
            declared=declared,
            options={name: value for name, value in self.options.items() if name in declared},
            files={name: path for name, path in self.files.items() if name in declared},
        )

    def get(self, option: str) -> str | None:
        """The text of an option that is not secret, or None if it is missing or switched off."""
        if self._declaration(option).secret:
            raise UndeclaredOptionError(f"the host option {option} is a secret: read it with Host.secret")
        return self._text(option)

    def secret(self, option: str) -> Secret | None:
        """A secret option, or None if it is missing or switched off."""
        if not self._declaration(option).secret:
            raise UndeclaredOptionError(f"the host option {option} is not declared as a secret")
        text = self._text(option)
        return None if text is None else Secret(text)

    def file(self, option: str) -> Path | None:
        """The path in a file option, or None if it is missing or switched off."""
        if not self._declaration(option).file:
            raise UndeclaredOptionError(f"the host option {option} is not declared as a file")
        return self.files.get(option)

    def username(self, scheme: str) -> str | None:
        """The user for ``ssh`` or ``http``."""
        return self.get(f"username.{scheme}") or self.get("username")

    def is_on(self, option: str) -> bool:
        """Whether an option is switched on."""
        return self.get(option) is not None

    def _declaration(self, option: str) -> HostOption:
        if option not in self.declared:
            raise UndeclaredOptionError(f"the host option {option} is not declared by the source that reads it")
        return self.declared[option]

    def _text(self, option: str) -> str | None:
        value = self.options.get(option)
        return value.effective if value else None

"""Values of settings, with their origin; secrets, and texts that switch a setting off."""

from dataclasses import dataclass

from gros_agent.runtime.masking import MASK

FALSY = frozenset({"", "0", "-", "no", "off", "false"})
"""Texts that switch a setting off, in files and in the environment, in upper or lower case."""


def is_falsy(text: str) -> bool:
    """Whether a text switches its setting off."""
    return text.strip().lower() in FALSY


@dataclass(frozen=True, slots=True)
class Value:
    """The text of a setting and its origin, such as ``settings.cfg line 4`` or ``variable JIRA_KEY``.

    ``of_controller`` marks a value from the controller, the origin with the lowest precedence. No credentials of the
    operator are sent to an address with this mark.
    """

    text: str
    origin: str
    of_controller: bool = False

    @property
    def effective(self) -> str | None:
        """The text, or None if it switches the setting off."""
        return None if is_falsy(self.text) else self.text.strip()


class Secret:
    """A text that can't be shown by accident. Only :meth:`reveal` returns it."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        """The text itself, for the one place that needs it."""
        return self._text

    def __repr__(self) -> str:
        return MASK

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._text == self._text

    def __hash__(self) -> int:
        return hash(self._text)

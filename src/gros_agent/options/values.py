"""A setting's value, where it comes from, and what makes it secret or switched off."""

from dataclasses import dataclass

from gros_agent.runtime.masking import MASK

FALSY = frozenset({"", "0", "-", "no", "off", "false"})
"""Texts that switch a setting off, in files and in the environment alike, in any case."""


def is_falsy(text: str) -> bool:
    """Whether a text switches its setting off."""
    return text.strip().lower() in FALSY


@dataclass(frozen=True, slots=True)
class Value:
    """The text of one setting and its origin, such as ``settings.cfg line 4`` or ``variable JIRA_KEY``.

    ``of_controller`` marks what the controller set: the weakest origin, to which no credential of a stronger one goes.
    """

    text: str
    origin: str
    of_controller: bool = False

    @property
    def effective(self) -> str | None:
        """The text, or None where it switches the setting off."""
        return None if is_falsy(self.text) else self.text.strip()


class Secret:
    """A text that shows itself to nobody by accident; :meth:`reveal` is the only way to it."""

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

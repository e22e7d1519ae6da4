"""Pseudonyms: every personal value becomes ``sha256(salt + value + pepper)`` before it touches the disk.

The writer only accepts :class:`Pseudonymised` rows, and only a :class:`Pseudonymiser` makes them.
"""

import hashlib
import re
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

import msgspec
import regex
from msgspec import UNSET

from gros_agent.errors import ConfigurationError
from gros_agent.privacy.redaction import redacted
from gros_agent.privacy.secrets import Secrets, UsernamePattern
from gros_agent.rows import NOBODY, Row, trimmed

_SURROGATE = re.compile("[\ud800-\udfff]")
R = TypeVar("R", bound=Row)

PATTERN_SECONDS = 0.5
"""Time limit in seconds for one username pattern on one name. A normal pattern takes microseconds."""

MAX_CACHED = 50_000
"""The number of pseudonyms kept for people who appear again: about 10 MB."""

_MAKER = object()


class Pseudonymised(Generic[R]):
    """Rows of one table whose personal fields hold pseudonyms, or whose plain names were explicitly allowed."""

    __slots__ = ("rows",)

    def __init__(self, rows: Sequence[R], maker: object) -> None:
        if maker is not _MAKER:
            raise TypeError("rows become pseudonymised through a Pseudonymiser only")
        self.rows = rows


def pseudonym(value: str, secrets: Secrets) -> str:
    """Hash a personal value with a project's tokens: 64 lower-case hexadecimal digits.

    ``"0"`` means nobody and is kept. Unpaired surrogates, which no text can be written with, count as the replacement
    character, as in other fields.
    """
    if value == NOBODY:
        return value
    text = secrets.salts.salt + value + secrets.salts.pepper
    try:
        content = text.encode()
    except UnicodeEncodeError:
        content = _SURROGATE.sub("\N{REPLACEMENT CHARACTER}", text).encode()
    return hashlib.sha256(content).hexdigest()


class Pseudonymiser:
    """Replaces the personal fields of rows.

    With ``secrets`` they become pseudonyms. Without secrets they stay unchanged, which needs ``plain=True``, an
    explicit wish of the user; otherwise :class:`ConfigurationError` is raised. With ``redact`` people are also replaced
    in free text, as far as they can be recognised.
    """

    def __init__(self, secrets: Secrets | None, *, plain: bool = False, redact: bool = False) -> None:
        if secrets is None and not plain:
            raise ConfigurationError(
                "there are no secrets for this project, so no personal data is written",
                "register the project with its controller, or create secrets of your own",
            )
        self._secrets = secrets
        self._redacts = redact and secrets is not None
        self._usernames = tuple(map(_compile, secrets.usernames)) if secrets else ()
        self._known: dict[str, str] = {}
        self._known_usernames: dict[str, str] = {}

    def __reduce__(self) -> tuple[Callable[..., "Pseudonymiser"], tuple[Secrets | None, bool]]:
        """What is pickled: the secrets. So a pickled one is a secret, too."""
        return _unpickled, (self._secrets, self._redacts)

    @property
    def encrypts(self) -> bool:
        """Whether personal fields become pseudonyms."""
        return self._secrets is not None

    def rows(self, rows: Sequence[R]) -> Pseudonymised[R]:
        """Pseudonymise rows of one table. The given rows are not changed."""
        table = type(rows[0]) if rows else Row
        free_text = table.free_text if self._redacts else ()
        if not table.personal and not free_text:
            return Pseudonymised(rows, _MAKER)
        return Pseudonymised([self._row(row, table.personal, free_text) for row in rows], _MAKER)

    def field(self, name: str, value: str) -> str:
        """The pseudonym for the value of a personal field.

        If names stay plain, the value without surrounding blanks.
        """
        if self._secrets is None:
            return _valid_address(value) if name.endswith("email") else trimmed(value)
        if name.endswith("username"):
            return self._username(value, self._secrets)
        known = self._known.get(value)
        return known if known is not None else self._remember(self._known, value, pseudonym(value, self._secrets))

    @property
    def redacts(self) -> bool:
        """Whether people are replaced in free text."""
        return self._redacts

    def _row(self, row: R, personal: tuple[str, ...], free_text: tuple[str, ...]) -> R:
        values = {name: getattr(row, name) for name in personal}
        changes = {name: self.field(name, value) for name, value in values.items() if value is not UNSET}
        if personal:
            changes["encrypted"] = "1" if self.encrypts else "0"
        for name in free_text:
            if (text := getattr(row, name)) is not UNSET:
                changes[name] = redacted(name, text, self.field)
        return msgspec.structs.replace(row, **changes)

    def _username(self, value: str, secrets: Secrets) -> str:
        if not self._usernames:
            return self.field("", value)
        known = self._known_usernames.get(value)
        if known is not None:
            return known
        name = value
        for matches, rewrite in self._usernames:
            if matches(value):
                name = rewrite(value)
                break
        return self._remember(self._known_usernames, value, pseudonym(name, secrets))

    @staticmethod
    def _remember(known: dict[str, str], value: str, hashed: str) -> str:
        if len(known) >= MAX_CACHED:
            known.clear()
        known[value] = hashed
        return hashed


def _unpickled(secrets: Secrets | None, redact: bool) -> Pseudonymiser:
    return Pseudonymiser(secrets, plain=secrets is None, redact=redact)


def _valid_address(value: str) -> str:
    """An e-mail address, or ``"0"`` for text that is not one, since readers of the tables accept nothing else."""
    return value if "@" in value else NOBODY


def _compile(entry: UsernamePattern) -> tuple[Callable[[str], bool], Callable[[str], str]]:
    """Turn a username pattern into a test and a rewriting function. Raises :class:`ConfigurationError`."""
    try:
        pattern = regex.compile(entry.pattern if entry.pattern is not None else _like(entry.prefix))
    except regex.error as error:
        raise ConfigurationError(
            f"username pattern {entry.pattern!r} is not a valid regular expression: {error}",
            "correct it at the controller",
        ) from None
    if entry.mutate not in {None, "", "lower"}:
        raise ConfigurationError(
            f"username pattern: mutate {entry.mutate!r} is not known", "use lower, or leave it out"
        )
    starts = re.compile(_starts_like(entry.prefix), re.DOTALL)
    template = _template(entry.replace or "", pattern.groups)

    def rewrite(name: str) -> str:
        try:
            result: str = pattern.sub(template, name, timeout=PATTERN_SECONDS)
        except TimeoutError:
            raise ConfigurationError(
                f"username pattern {entry.pattern!r} takes longer than {PATTERN_SECONDS} s on one name",
                "correct it at the controller: nested repetitions are the usual cause",
            ) from None
        return result.lower() if entry.mutate == "lower" else result

    return lambda name: starts.match(name) is not None, rewrite


def _like(pattern: str) -> str:
    """An SQL LIKE pattern as a regular expression with greedy matches. Adjacent ``%`` count as one."""
    parts = re.sub("%+", "%", pattern)
    return "".join({"%": ".*", "_": "."}.get(character, re.escape(character)) for character in parts)


def _starts_like(pattern: str) -> str:
    """An SQL LIKE pattern as a regular expression that checks the start of a text in linear time.

    A part after ``%`` matches at its first occurrence, without backtracking.
    """
    first, *others = map(_like, re.split("%+", pattern))
    return first + "".join(f"(?>.*?{part})" for part in others)


def _template(replacement: str, groups: int) -> Callable[[regex.Match[str]], str]:
    """A replacement with ``$1`` for groups, as a function of a match. Raises :class:`ConfigurationError`."""
    parts = re.split(r"\$(\d)", replacement)
    numbers = [int(number) for number in parts[1::2]]
    if any(number > groups for number in numbers):
        raise ConfigurationError(
            f"username pattern: replacement {replacement!r} names a group that its pattern does not have",
            "correct it at the controller",
        )

    def expand(match: regex.Match[str]) -> str:
        text = [parts[0]]
        for number, literal in zip(numbers, parts[2::2], strict=True):
            text += (match[number] or "", literal)
        return "".join(text)

    return expand

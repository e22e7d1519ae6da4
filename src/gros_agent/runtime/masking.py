"""Makes texts safe to show: known secrets are masked, and control characters are escaped.

All output for people goes through :func:`shown`: the log, standard output, JSON, the history, the web interface. A
server may repeat a secret in several encodings, so each secret is known in the encodings that servers use.
"""

import re
import string
import threading
from collections.abc import Iterable, Iterator
from typing import Any
from urllib.parse import quote, quote_plus

from gros_agent.runtime.urls import without_password

MASK = "********"
"""Replaces a secret."""
_SHORTEST = 4
"""Shorter secrets are not masked: they would match in every line."""
_SHORTEST_CODED = 6
"""The same for its base64 form."""
_HIDDEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f"  # control characters that terminals obey: ASCII without tab and newline, and C1
    "\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069"  # characters that change a line's direction, or end a line
    "\ud800-\udfff"  # surrogates, which can't be encoded
    "\ufffe\uffff]"  # no characters at all: XML, and what draws it, refuses them
)


class Redactor:
    """Knows secrets, and masks them in texts, in all known encodings."""

    def __init__(self) -> None:
        self._plain: frozenset[str] = frozenset()
        self._coded: frozenset[str] = frozenset()
        self._pattern: re.Pattern[str] | None = None
        self._coded_pattern: re.Pattern[str] | None = None
        self._lock = threading.Lock()

    def hide(self, secrets: Iterable[str]) -> None:
        """Mask these texts from now on."""
        new = {secret for secret in secrets if len(secret) >= _SHORTEST}
        forms = {form for secret in new for form in _forms(secret)}
        with self._lock:  # several sources call this from their threads
            if forms <= self._plain:
                return
            self._plain |= forms
            self._coded = self._coded.union(form for secret in new for form in _coded(secret))
            self._pattern = _any_of(self._plain)
            self._coded_pattern = _any_of(self._coded)

    def redact(self, text: str) -> str:
        """The text with known secrets masked, and with the credentials in its URLs masked."""
        if self._coded_pattern is not None:
            text = "".join(self._without_coded(text, self._coded_pattern))
        if self._pattern is not None:
            text = self._pattern.sub(MASK, text)
        return without_password(text)

    @staticmethod
    def _without_coded(text: str, pattern: re.Pattern[str]) -> Iterator[str]:
        """The parts of a text, with each run of base64 that holds a secret masked as a whole.

        Each character is read only a few times, however long a run is, since the text may come from an attacker.
        """
        done = 0
        for found in pattern.finditer(text):
            if found.start() < done:
                continue
            begin = found.start()
            while begin > done and text[begin - 1] in _RUN:
                begin -= 1
            yield text[done:begin]
            yield MASK
            done = found.end()
            while done < len(text) and text[done] in _RUN:
                done += 1
        yield text[done:]


_RUN = frozenset(string.ascii_letters + string.digits + "+/_=-")
"""Characters of a run of base64 around a secret, which may encode a user name before it, for instance."""


def _any_of(forms: Iterable[str]) -> re.Pattern[str] | None:
    found = sorted(forms, key=len, reverse=True)
    return re.compile("|".join(map(re.escape, found))) if found else None


def _forms(secret: str) -> Iterator[str]:
    """Yield a secret in the forms that servers write: as it is, and escaped for URLs, JSON, HTML and Python."""
    import html  # noqa: PLC0415 (a command that shows no secret needs none of these)
    import json  # noqa: PLC0415

    yield secret
    for quoted in (quote(secret), quote(secret, safe=""), quote_plus(secret)):
        yield quoted
        yield re.sub("%[0-9A-F]{2}", lambda found: found[0].lower(), quoted)
    for ascii_alone in (True, False):
        escaped = json.dumps(secret, ensure_ascii=ascii_alone)[1:-1]
        yield from (escaped, escaped.replace("/", "\\/"))
    yield from (html.escape(secret), html.escape(secret, quote=False), html.escape(secret).replace("&#x27;", "&#39;"))
    yield repr(secret)[1:-1]


def _coded(secret: str) -> Iterator[str]:
    """Yield the base64 of a secret for each of three offsets, without characters that depend on its surroundings."""
    import base64  # noqa: PLC0415 (a command that shows no secret does not need it)

    content = secret.encode(errors="replace")
    for before in range(3):
        text = base64.b64encode(bytes(before) + content).decode()
        begin, end = -(-before * 8 // 6), (before + len(content)) * 8 // 6
        if end - begin >= _SHORTEST_CODED:
            yield text[begin:end]
            yield text[begin:end].replace("+", "-").replace("/", "_")


redactor = Redactor()
"""The redactor with the secrets of this process."""


def visible(text: str) -> str:
    r"""A text with control characters escaped: ``\x1b`` for an escape. Newlines stay."""
    return _HIDDEN.sub(lambda found: _spelt(found[0]), text)


def _spelt(character: str) -> str:
    code = ord(character)
    return f"\\x{code:02x}" if code <= 0xFF else f"\\u{code:04x}"  # noqa: PLR2004 (what two digits can hold)


def shown(text: str) -> str:
    """A text that is safe to show: secrets masked, control characters escaped."""
    return visible(redactor.redact(text))


def shown_in(content: Any) -> Any:  # noqa: ANN401 (whatever can be JSON)
    """Apply :func:`shown` to every text in JSON content. Keys that look like our field names are left as they are."""
    if isinstance(content, str):
        return shown(content)
    if isinstance(content, dict):
        return {_shown_key(key): shown_in(value) for key, value in content.items()}
    if isinstance(content, list | tuple):
        return [shown_in(value) for value in content]
    return content


_FIELD = re.compile(r"[a-z]+(?:_[a-z]+)*")


def _shown_key(key: Any) -> Any:  # noqa: ANN401 (whatever can be JSON)
    return key if isinstance(key, str) and _FIELD.fullmatch(key) else shown_in(key)

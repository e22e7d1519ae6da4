"""The one way in which texts are made fit to be shown: known secrets are masked, control characters are spelt out.

Whatever leaves the program for people goes through :func:`shown`: the log, standard output, JSON, the history, the web
interface. A server may repeat a secret in many forms, so each is known in those in which servers write texts.
"""

import re
import string
import threading
from collections.abc import Iterable, Iterator
from typing import Any
from urllib.parse import quote, quote_plus

from gros_agent.runtime.urls import without_password

MASK = "********"
"""What stands in place of a secret."""
_SHORTEST = 4
"""A secret of fewer characters would mask half of every line."""
_SHORTEST_CODED = 6
"""The same for what base64 makes of it."""
_HIDDEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f"  # what terminals obey: of ASCII but for tabs and ends of lines, and C1
    "\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069"  # what turns the direction of a line, or ends it
    "\ud800-\udfff]"  # what no encoding has
)


class Redactor:
    """Knows secrets, and masks them in texts, in whichever form they stand there."""

    def __init__(self) -> None:
        self._plain: frozenset[str] = frozenset()
        self._coded: frozenset[str] = frozenset()
        self._pattern: re.Pattern[str] | None = None
        self._coded_pattern: re.Pattern[str] | None = None
        self._lock = threading.Lock()

    def hide(self, secrets: Iterable[str]) -> None:
        """Leave these texts out from now on."""
        new = {secret for secret in secrets if len(secret) >= _SHORTEST}
        forms = {form for secret in new for form in _forms(secret)}
        with self._lock:  # threads of several sources do this
            if forms <= self._plain:
                return
            self._plain |= forms
            self._coded = self._coded.union(form for secret in new for form in _coded(secret))
            self._pattern = _any_of(self._plain)
            self._coded_pattern = _any_of(self._coded)

    def redact(self, text: str) -> str:
        """A text without the secrets that are known, and without the credentials in its URLs."""
        if self._coded_pattern is not None:
            text = "".join(self._without_coded(text, self._coded_pattern))
        if self._pattern is not None:
            text = self._pattern.sub(MASK, text)
        return without_password(text)

    @staticmethod
    def _without_coded(text: str, pattern: re.Pattern[str]) -> Iterator[str]:
        """The parts of a text, where each run of base64 that holds a secret is masked as a whole.

        Each character is looked at a few times at most, however long a run is: such a text may come from anybody.
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
"""What surrounds a secret in base64: a user's name before it, for instance."""


def _any_of(forms: Iterable[str]) -> re.Pattern[str] | None:
    found = sorted(forms, key=len, reverse=True)
    return re.compile("|".join(map(re.escape, found))) if found else None


def _forms(secret: str) -> Iterator[str]:
    """A secret as servers write it: as it is, and escaped for URLs, JSON, HTML and Python."""
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
    """What base64 makes of a secret, wherever in a text it stands: what depends on nothing before or after it."""
    import base64  # noqa: PLC0415 (a command that shows no secret does not need it)

    content = secret.encode(errors="replace")
    for before in range(3):
        text = base64.b64encode(bytes(before) + content).decode()
        begin, end = -(-before * 8 // 6), (before + len(content)) * 8 // 6
        if end - begin >= _SHORTEST_CODED:
            yield text[begin:end]
            yield text[begin:end].replace("+", "-").replace("/", "_")


redactor = Redactor()
"""Knows the secrets of this process: there is one, as there is one set of loggers."""


def visible(text: str) -> str:
    r"""A text in which what a terminal would obey is spelt out: ``\x1b`` for an escape. Ends of lines stay."""
    return _HIDDEN.sub(lambda found: _spelt(found[0]), text)


def _spelt(character: str) -> str:
    code = ord(character)
    return f"\\x{code:02x}" if code <= 0xFF else f"\\u{code:04x}"  # noqa: PLR2004 (what two digits can tell)


def shown(text: str) -> str:
    """A text as people may see it."""
    return visible(redactor.redact(text))


def shown_in(content: Any) -> Any:  # noqa: ANN401 (whatever can be JSON)
    """The same for every text in what becomes JSON, keys too but for names such as our fields have."""
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

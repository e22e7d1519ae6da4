"""Takes people out of free text as far as they can be told by form: mentions, e-mail addresses, trailers.

What is found becomes the same pseudonym as in the personal fields, so that a trailer and an author are still the same
person. Names that stand in a sentence as words like any other can't be told and stay.

Trailers are lines at the end of a message as git has them (git-interpret-trailers(1)), such as ``Signed-off-by`` and
``Co-authored-by``; mentions are those of GitHub and GitLab (``@account``) and of Azure DevOps (``@<GUID>``).
"""

import re
from collections.abc import Callable

PROSE = frozenset({"message", "title", "description", "comment", "additional_information"})
"""Fields of sentences; elsewhere, as in paths and names of branches, an ``@`` is no mention."""

Pseudonym = Callable[[str, str], str]
"""Given the name of a personal field and a value, the pseudonym of the value."""

_LOCAL = r"\w.%+-"
_ADDRESS = re.compile(rf"(?<![{_LOCAL}])[{_LOCAL}]{{1,64}}@[\w-]{{1,63}}(?:\.[\w-]{{1,63}}){{1,8}}")
_TRAILER = re.compile(
    r"^(?P<key>[ \t>]{0,8}[A-Za-z][A-Za-z-]{0,40}-by|[ \t>]{0,8}(?:Cc|From|To|Author))(?P<colon>:[ \t]{0,8})"
    r"(?P<name>[^<>\r\n]{1,200}?)(?P<space>[ \t]{0,8})<(?P<address>[^<>\s]{1,254})>",
    re.MULTILINE | re.IGNORECASE,
)
_MENTION = re.compile(r"(?<![\w@.`/+-])@(?:<(?P<identifier>[0-9A-Fa-f-]{36})>|(?P<account>\w(?:[\w.-]{0,62}\w)?))")


def redacted(field: str, text: str, pseudonym: Pseudonym) -> str:
    """A free text without the people in it. ``field`` says what kind of text it is."""
    if "@" not in text:
        return text
    if field not in PROSE:
        return _ADDRESS.sub(lambda found: pseudonym("email", found[0]), text)

    def trailer(found: re.Match[str]) -> str:
        name, address = pseudonym("developer", found["name"]), pseudonym("email", found["address"])
        return f"{found['key']}{found['colon']}{name}{found['space']}<{address}>"

    def mention(found: re.Match[str]) -> str:
        return "@" + pseudonym("username", found["account"] or found["identifier"])

    text = _TRAILER.sub(trailer, text)
    text = _ADDRESS.sub(lambda found: pseudonym("email", found[0]), text)
    return _MENTION.sub(mention, text)

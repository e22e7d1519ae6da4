"""Replaces people in free text, as far as their form shows them: mentions, addresses, trailers, accounts in paths.

They get the same pseudonyms as in personal fields, so that a trailer and an author are still the same person. Names
within ordinary sentences can't be recognised, and stay.

Trailers are lines at the end of a message as in git (git-interpret-trailers(1)), such as ``Signed-off-by`` and
``Co-authored-by``. Mentions are those of GitHub and GitLab (``@account``), of Azure DevOps (``@<GUID>``, or a link with
``data-vss-mention``) and of Jira's wiki text (``[~account]``, or ``[~accountid:...]``).
"""

import re
from collections.abc import Callable

PROSE = frozenset(
    {
        *("message", "title", "description", "comment", "additional_information", "review_comments"),
        *("environment", "ready_status_reason", "test_given", "test_when", "test_then", "goal"),
    }
)
"""Fields with prose. In other fields, such as paths and names of branches, an ``@`` is not a mention."""
BRANCHES = frozenset({"branch", "source_branch", "target_branch", "ref"})
"""Fields with the name of a branch, which often begins with the account of its author."""

Pseudonym = Callable[[str, str], str]
"""Takes the name of a personal field and a value, and returns the pseudonym of the value."""

_PEOPLE = (
    r"[A-Za-z][A-Za-z-]{0,40}-by|Co-?Authors?|Authors?|Reviewers?|Committers?|Approvers?|Testers?|Reporters?|Assignees?"
    r"|Maintainers?|Contributors?|On-behalf-of|Thanks-to"
)
"""Keys of trailers whose value is a person."""
_LETTERS = r"From|To|Cc|Bcc|Sender|Reply-To"
"""Keys of e-mail headers, which can also begin a sentence."""
_QUOTED = r"^[ \t>]{0,8}"
_LOCAL = r"\w.%+-"
_HOST = r"[\w-]{1,63}(?:\.[\w-]{1,63}){1,8}"
_INTRANET = r"(?!v?\d|(?:latest|next|main|master|head|beta|alpha|canary|stable)\b)[A-Za-z][\w-]{1,62}(?![\w.-])"
"""A host without a domain. The text after an ``@`` can also be a version or a branch."""

_LINK = re.compile(r"(?P<open><a\b[^<>]{0,400}\bdata-vss-mention\b[^<>]{0,400}>)@?(?P<name>[^<>]{1,200})(?=</a>)")
_TRAILER = re.compile(
    rf"(?P<key>{_QUOTED}(?:{_PEOPLE}|{_LETTERS}))(?P<colon>:[ \t]{{0,8}})(?:@(?P<account>[\w.-]{{1,64}})[ \t]{{1,8}})?"
    r"(?P<name>[^<>\r\n]{1,200}?)(?P<space>[ \t]{0,8})<(?P<address>[^<>\s]{1,254})>",
    re.MULTILINE | re.IGNORECASE,
)
_NAMED = re.compile(
    r"(?P<words>(?<![\w'\u2019.-])(?:[^\W\d_][\w'\u2019.-]{0,40}[ \t]{1,4}){1,6})"
    r"<(?P<address>[^<>\s@]{1,64}@[^<>\s]{1,254})>"
)
_ALONE = re.compile(
    rf"(?P<key>{_QUOTED}(?:(?P<person>{_PEOPLE})|{_LETTERS}):[ \t]{{0,8}})"
    r"(?P<name>[^\W\d_][\w'\u2019.-]{0,40}(?:[ \t]{1,4}[^\W_][\w'\u2019.-]{0,40}){0,5})(?=[ \t]{0,8}\r?$)",
    re.MULTILINE | re.IGNORECASE,
)
_PARTICLE = re.compile(r"(?:al|bin|da|das|de|del|den|der|di|do|dos|du|el|la|le|ten|ter|van|von|y|zu|'t)", re.IGNORECASE)
_HASH = re.compile(r"[0-9a-fA-F]{7,64}")
_ADDRESS = re.compile(
    rf"(?<![{_LOCAL}])(?:\"[^\"\s][^\"\r\n@]{{0,62}}\"|\w[\w.%'+-]{{0,63}})@(?:{_HOST}|{_INTRANET})"
    rf"|(?<![{_LOCAL}])\w[\w.+-]{{0,63}}%40{_HOST}"
)
_MENTION = re.compile(r"(?<![\w@+-])@(?:<(?P<identifier>[0-9A-Fa-f-]{36})>|(?P<account>\w(?:[\w.-]{0,62}\w)?))")
_WIKI = re.compile(r"(?P<before>\[~(?:accountid:)?)(?P<account>[^\s\[\]|]{1,128})(?=\])")
_FORGE = re.compile(
    r"(?P<before>https?://(?:[\w-]{1,63}\.){0,4}(?:github|gitlab|bitbucket|codeberg|gitea)(?:[\w.-]{0,80})(?::\d+)?/)"
    r"(?!(?:users?|groups?|orgs?|organizations|topics|search|explore|marketplace|settings|apps|features|api|-)(?:/|\b))"
    r"(?P<account>[\w.-]{1,64})",
    re.IGNORECASE,
)
_PROFILE = re.compile(
    r"(?P<before>https?://[^\s/<>]{1,200}(?:/[^\s/<>]{1,80}){0,3}?/(?:(?:users?|people|profiles?|members|u)/|[~@]))"
    r"(?P<account>[\w.-]{1,64})",
    re.IGNORECASE,
)
_FORK = re.compile(r"(?P<before>\b[Mm]erge pull request #\d{1,12} from |\b[Mm]erged in )(?P<account>[\w.-]{1,64})(?=/)")
_MERGED = re.compile(r"(?P<before>\b[Mm]erge (?:remote-tracking )?branch(?:es)? ')(?P<branch>[^'\r\n]{1,255})(?=')")
_HOME = re.compile(
    r"(?P<before>(?:^|[\s\"'`(=:/\\])(?:home|Users|Documents and Settings)[/\\])"
    r"(?P<account>[\w.-]{1,64}(?=[/\\])|[\w-]{1,64}(?![\w.-]))",
    re.MULTILINE,
)
_COMMON = re.compile(
    r"feature|features|feat|fix|fixes|bug|bugs|bugfix|bugfixes|hotfix|hotfixes|release|releases|chore|docs"
    r"|doc|test|tests|refactor|perf|style|ci|build|deps|dependabot|renovate|origin|upstream|heads|refs|tags"
    r"|remotes|main|master|develop|development|dev|support|task|tasks|story|stories|epic|issue|issues"
    r"|improvement|enhancement|experiment|wip|tmp|temp|spike|backport|revert|pull|merge|merge-requests"
    r"|version|versions|stable|trunk|branches|topic",
    re.IGNORECASE,
)
"""First parts of branch names that are not accounts."""
_FOLDERS = frozenset(("users", "user", "people", "personal", "private", "u"))
"""First parts of branch names that are followed by an account."""


def redacted(field: str, text: str, pseudonym: Pseudonym) -> str:
    """A free text with its people replaced. ``field`` determines the kind of text."""

    def account(found: re.Match[str]) -> str:
        return found["before"] + pseudonym("username", found["account"])

    if field in PROSE:
        text = _WIKI.sub(lambda found: found["before"] + pseudonym("developer", found["account"]), text)
        text = _people(text, pseudonym)
        text = _FORK.sub(account, _PROFILE.sub(account, _FORGE.sub(account, text)))
        text = _MERGED.sub(lambda found: found["before"] + _branch(found["branch"], pseudonym), text)
    elif field in BRANCHES:
        text = _branch(text, pseudonym)
    text = _ADDRESS.sub(lambda found: pseudonym("email", found[0].replace("%40", "@")), text)
    text = _HOME.sub(account, text)
    return _MENTION.sub(lambda found: _mention(found, pseudonym), text) if field in PROSE else text


def _people(text: str, pseudonym: Pseudonym) -> str:
    """Replace people with an address, in a trailer, or in a link."""
    text = _LINK.sub(lambda found: f"{found['open']}@{pseudonym('developer', found['name'].strip())}", text)

    def trailer(found: re.Match[str]) -> str:
        name, address = pseudonym("developer", found["name"]), pseudonym("email", found["address"])
        behalf = f"@{pseudonym('username', found['account'])} " if found["account"] else ""
        return f"{found['key']}{found['colon']}{behalf}{name}{found['space']}<{address}>"

    def named(found: re.Match[str]) -> str:
        before, name, space = _split(found["words"])
        return f"{before}{pseudonym('developer', name)}{space}<{pseudonym('email', found['address'])}>"

    def alone(found: re.Match[str]) -> str:
        words = found["name"].split()
        is_name = found["person"] or (words[0][0].isupper() and len(words) > 1 and _is_name(words))
        if not is_name or _HASH.fullmatch(found["name"]):
            return found[0]
        return found["key"] + pseudonym("developer", found["name"])

    return _ALONE.sub(alone, _NAMED.sub(named, _TRAILER.sub(trailer, text)))


def _split(words: str) -> tuple[str, str, str]:
    """Split words into the text before a name, the name at their end, and the space after it.

    A name begins with a capital letter and may contain particles. Without any capital letter, the last three words are
    taken.
    """
    name = words.rstrip()
    starts = [found.start() for found in re.finditer(r"\S+", name)]
    begin = next((one for one in starts if name[one].isupper() and _is_name(name[one:].split())), None)
    if begin is None:
        begin = starts[max(0, len(starts) - 3)]
    return name[:begin], name[begin:], words[len(name) :]


def _is_name(words: list[str]) -> bool:
    return all(word[0].isupper() or _PARTICLE.fullmatch(word) for word in words)


def _branch(name: str, pseudonym: Pseudonym) -> str:
    """The name of a branch, with the account at its beginning replaced."""
    prefix = next(
        (one for one in ("refs/heads/", "refs/tags/", "refs/remotes/", "origin/") if name.startswith(one)), ""
    )
    parts = name[len(prefix) :].split("/")
    place = 1 if parts[0].lower() in _FOLDERS else 0
    if len(parts) > place + 1 and parts[place] and not _COMMON.fullmatch(parts[place]) and "@" not in parts[place]:
        parts[place] = pseudonym("username", parts[place])
    return prefix + "/".join(parts)


def _mention(found: re.Match[str], pseudonym: Pseudonym) -> str:
    return "@" + pseudonym("username", found["account"] or found["identifier"])

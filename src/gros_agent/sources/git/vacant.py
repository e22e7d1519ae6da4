"""Distinguishes an empty repository from a web server that is not a git server.

Over HTTP, git takes any text without a line break for a repository without branches, such as the page of a login
portal. A second request makes git trace the server's answers. A server that speaks git's protocol sends packets; a
plain web server has at least the file ``HEAD``, which names a branch (gitrepository-layout(5)).
"""

import re
from collections.abc import Mapping

from gros_agent.errors import Own, SourceError
from gros_agent.sources.git.access import Access, configured

_TRACE_LINE = re.compile(r"^\d\d:\d\d:\d\d\.\d+ .*(?:\n|$)", re.MULTILINE)
_PACKET = re.compile(r"^\S+ .* packet: +git< ", re.MULTILINE)
_BRANCH = re.compile(r"^\S+ .*<= Recv data: ref: ?refs/", re.MULTILINE)


def can_be_mistaken(access: Access) -> bool:
    """Whether something else than a repository can look like an empty one at this address."""
    return access.url.lower().startswith(("http://", "https://"))


def traced(access: Access) -> Mapping[str, str]:
    """The variables for a git that traces what it receives, without credentials."""
    readable = configured(access.environment, ("http.extraHeader=Accept-Encoding: identity",))
    return {**readable, "GIT_TRACE_PACKET": "1", "GIT_TRACE_CURL": "1", "GIT_TRACE_REDACT": "1"}


def without_trace(errors: str) -> str:
    """Git's error output without its trace."""
    return _TRACE_LINE.sub("", errors)


def check(trace: str) -> None:
    """Raise :class:`SourceError` unless the trace shows that a repository answered."""
    if _PACKET.search(trace) or _BRANCH.search(trace):
        return
    raise SourceError(
        Own("the server does not answer with a repository, but for example with a web page"),
        "check the address, and whether it needs a log-in",
    )

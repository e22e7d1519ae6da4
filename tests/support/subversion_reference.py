"""The rows of a Subversion history the slow way: from what svn log, diff, diff --summarize and list say, file by file.

Nothing in here is shared with what it is compared with: the files of a revision are those that svn itself summarises,
less those that a branch or tag brought along, and lines are counted in unified differences.
"""

import re
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from urllib.parse import quote, unquote
from xml.etree import ElementTree as ET

from support.subversion import run

Rows = list[dict[str, str]]
Place = tuple[str, int]
_WHOLE = re.compile(r"/?(trunk|branches|tags|(branches|tags)/[^/]+)?")


def rows(url: str, name: str, first: int = 1) -> tuple[Rows, Rows]:
    """The rows of revisions and of changed files from a revision on, not hashed."""
    info = parsed("svn", "info", "--xml", f"{url}@")
    prefix = unquote((info.findtext("entry/relative-url") or "")[1:]).rstrip("/")
    entry = info.find("entry")
    assert entry is not None
    if first > int(entry.get("revision", "")):
        return [], []
    log = parsed("svn", "log", "--xml", "--stop-on-copy", "-q", "-r", f"{first}:{entry.get('revision')}", f"{url}@")
    numbers = [int(one.get("revision", "")) for one in log]
    with ThreadPoolExecutor() as pool:
        found = list(pool.map(lambda number: Revision(url, prefix, number).rows(name), numbers))
    return [version for version, _ in found], [change for _, changes in found for change in changes]


def parsed(*arguments: str) -> ET.Element:
    """The XML that a program prints."""
    return ET.fromstring(run(*arguments).decode(errors="replace"))  # noqa: S314 (of our own repositories)


def counted(*arguments: str) -> tuple[int, int]:
    """Lines in and lines out of what ``svn diff`` prints about one file."""
    into = out = before = after = 0
    for line in run("svn", "diff", *arguments).splitlines():
        if before or after:
            into += line.startswith(b"+")
            out += line.startswith(b"-")
            before -= not line.startswith((b"+", b"\\"))
            after -= not line.startswith((b"-", b"\\"))
        elif match := re.match(rb"@@ -\d+(?:,(\d+))? \+\d+(?:,(\d+))? @@", line):
            before, after = (1 if count is None else int(count) for count in match.groups())
    return into, out


def moment(text: str | None) -> str:
    parsed = datetime.fromisoformat(text) if text else datetime.fromtimestamp(0, UTC)
    return parsed.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S")


@dataclass
class Listed:
    path: str
    action: str
    kind: str
    properties: bool
    is_copy: bool
    source: Place | None

    @property
    def is_whole(self) -> bool:
        """Whether it is the trunk, or a whole branch or tag."""
        return self.kind == "dir" and _WHOLE.fullmatch(self.path) is not None


class Revision:
    def __init__(self, url: str, prefix: str, number: int) -> None:
        self.url, self.prefix, self.number = url, prefix, number
        log = parsed("svn", "log", "--xml", "-v", "-r", str(number), f"{url}@{number}")
        (self.entry,) = log
        self.listed = [
            self._listed(path) for path in self.entry.iterfind("paths/path") if f"{path.text}/".startswith(f"{prefix}/")
        ]

    def _listed(self, path: ET.Element) -> Listed:
        source = path.get("copyfrom-path")
        place = None
        if source is not None and f"{source}/".startswith(f"{self.prefix}/"):
            place = (source[len(self.prefix) + 1 :], int(path.get("copyfrom-rev", "")))
        below = (path.text or "")[len(self.prefix) + 1 :]
        action, kind, properties = path.get("action", ""), path.get("kind", ""), path.get("prop-mods") == "true"
        return Listed(below, action, kind, properties, source is not None, place)

    def at(self, place: Place) -> str:
        return f"{self.url}/{quote(place[0])}@{place[1]}"

    def summary(self, old: str, new: str) -> dict[str, str]:
        """File below a folder → what svn says became of it."""
        found = parsed("svn", "diff", "--summarize", "--xml", "--old", old, "--new", new)
        base = old.rpartition("@")[0]
        result: dict[str, str] = {}
        for path in found.iter("path"):
            if path.get("kind") == "file":
                below = unquote(path.text or "").removeprefix(unquote(base)).strip("/")
                item = path.get("item", "")
                result[below] = "modified" if below in result or item in {"none", "modified"} else item
        return result

    @cached_property
    def sizes(self) -> dict[str, str]:
        listing = parsed("svn", "list", "--xml", "-R", f"{self.url}@{self.number}")
        return {entry.findtext("name", ""): entry.findtext("size", "0") for entry in listing.iter("entry")}

    def above(self, path: str) -> Listed | None:
        """The nearest folder over a path that was copied in this revision."""
        found = [one for one in self.listed if one.kind == "dir" and one.source and path.startswith(f"{one.path}/")]
        return max(found, key=lambda one: len(one.path), default=None)

    def source(self, path: str) -> Place | None:
        for one in self.listed:
            if one.path == path and one.source:
                return one.source
        if any(one.path == path and one.action in "AR" for one in self.listed):
            return None
        above = self.above(path)
        return (above.source[0] + path[len(above.path) :], above.source[1]) if above and above.source else None

    def states(self) -> dict[str, tuple[str, Place]]:
        """File → what became of it, and where it is to be found before that."""
        whole = [one for one in self.listed if one.is_whole and (one.action == "D" or one.is_copy)]
        before = self.number - 1
        summary = self.summary(f"{self.url}@{before}", f"{self.url}@{self.number}")
        states = {
            path: (item, (path, before))
            for path, item in summary.items()
            if not any(path.startswith(f"{one.path}/") for one in whole)
        }
        for one in whole:
            if one.source and one.action in "AR":
                beyond = self.summary(self.at(one.source), self.at((one.path, self.number)))
                for path, item in beyond.items():
                    states[f"{one.path}/{path}"] = (item, (f"{one.source[0]}/{path}", one.source[1]))
        for one in self.listed:
            if one.kind == "file" and one.action in "MR" and one.path not in states:
                states[one.path] = ("modified", (one.path, self.number))  # its text is what it was
        return states

    def files(self) -> dict[str, tuple[str, int, int]]:
        """File → its kind of change, lines in and lines out."""
        states = self.states()
        result: dict[str, tuple[str, int, int]] = {}
        taken = set()
        for path, (item, _) in sorted(states.items()):
            source = self.source(path)
            was = states.get(source[0], ("", ""))[0] if source and source[0] != path else ""
            if item != "deleted" and source and was == "deleted" and source[0] not in taken:
                taken.add(source[0])
                result[path] = ("R", *counted(self.at(source), self.at((path, self.number))))
        for path, (item, old) in states.items():
            if path in taken or path in result:
                continue
            if item == "added":
                result[path] = ("A", self.lines((path, self.number)), 0)
            elif item == "deleted":
                result[path] = ("D", 0, self.lines(old))
            else:
                result[path] = ("M", *counted(self.at(old), self.at((path, self.number))))
        return result

    def lines(self, place: Place) -> int:
        """Lines of a file: none of a binary one."""
        kind = run("svn", "propget", "svn:mime-type", self.at(place), ok=(0, 1)).strip()
        return (
            0
            if kind and not kind.startswith((b"text/", b"image/x-xpixmap"))
            else len(run("svn", "cat", self.at(place)).splitlines())
        )

    def kind(self) -> str:
        if re.search(r"^Revert(ed)? r\d", self.entry.findtext("msg") or ""):
            return "revert"
        total = 0
        for one in self.listed:
            if not one.properties or (one.action != "M" and one.source is None):
                continue
            now = self.at((one.path, self.number))
            old = self.at(one.source or (one.path, self.number - 1))
            said = run("svn", "diff", "--depth", "empty", old, now).decode(errors="replace")
            total += len(re.findall(r"^   Merged /", said, re.MULTILINE))
            total -= len(re.findall(r"^   Reverse-merged /", said, re.MULTILINE))
        return "merge" if total > 0 else "revert" if total else "commit"

    def branch(self) -> str:
        found = set()
        for one in self.listed:
            match = re.match(r"branches/([^/]+)(/|$)", one.path)
            is_branch = match and (match[2] or one.kind == "dir")
            found.add(match[1] if match and is_branch else "0")
        return found.pop() if len(found) == 1 else "0"

    def rows(self, name: str) -> tuple[dict[str, str], Rows]:
        number = str(self.number)
        changes = [
            {
                "repo_name": name,
                "version_id": number,
                "file": path,
                "change_type": kind,
                "insertions": str(into),
                "deletions": str(out),
                "size": "0" if kind == "D" else self.sizes[path],
            }
            for path, (kind, into, out) in sorted(self.files().items())
        ]
        insertions, deletions, size = (
            sum(int(change[field]) for change in changes) for field in ("insertions", "deletions", "size")
        )
        author = self.entry.findtext("author") or "0"
        version = {
            "repo_name": name,
            "version_id": number,
            "sprint_id": "0",
            "message": self.entry.findtext("msg") or "",
            "type": self.kind(),
            "developer": author,
            "developer_username": author,
            "developer_email": "0",
            "commit_date": moment(self.entry.findtext("date")),
            "author_date": "0",
            "branch": self.branch(),
            "insertions": str(insertions),
            "deletions": str(deletions),
            "number_of_files": str(len(changes)),
            "number_of_lines": str(insertions + deletions),
            "size": str(size),
            "encrypted": "0",
        }
        return version, changes

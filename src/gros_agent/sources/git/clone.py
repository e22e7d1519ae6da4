"""A bare local clone, fetched incrementally, and the references that its origin advertises.

Only the default branch and the tags are fetched. The URL is an argument of each fetch and never written to a
configuration file, so that a clone does not reveal its origin.
"""

import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from gros_agent.errors import MachineError, Own, SourceError
from gros_agent.runtime import process
from gros_agent.runtime.storage import storage_errors
from gros_agent.sources.base import Progress, no_progress
from gros_agent.sources.git import vacant
from gros_agent.sources.git.access import Access, base_environment, configured, supported_version

HEAD = "refs/gros/head"
"""The reference in the clone to the head of the default branch."""

LARGEST_MAILMAP = 4 << 20
"""The size limit of a mailmap in bytes. That of Linux has a hundredth of it."""
_COMMITS_ONLY = "--filter=tree:0"
"""Excludes files and folders, if the server supports that."""
_FETCHES_INTO = "GROS_FETCHES_INTO"
"""The variable that identifies a running fetch, for a later process that uses the folder."""
_LEFTOVERS = (
    *("**/*.lock", "packed-refs.new", "shallow_*"),
    *("objects/pack/tmp_*", "objects/pack/*.keep", "objects/**/tmp_obj_*"),
)
_SHA256_DIGITS = 64
_MEMORY = {"MALLOC_MMAP_THRESHOLD_": str(64 << 20), "MALLOC_TRIM_THRESHOLD_": str(1 << 30)}
"""Makes the C library (glibc) keep memory that git frees between objects, which saves a tenth of git log's time."""
_PROGRESS = re.compile(rb"(Receiving objects|Resolving deltas): +\d+% \((\d+)/(\d+)\)")


@dataclass(frozen=True)
class Advertised:
    """The head of the default branch (None: no commits), and the object of each tag by its full name."""

    head: str | None
    tags: Mapping[str, str]
    notes: tuple[str, ...] = ()


class Remote:
    """A remote repository, accessed through git."""

    def __init__(self, access: Access, silence: float) -> None:
        supported_version()
        self.access = access
        self.silence = silence

    def advertised(self) -> Advertised:
        """Ask for the head of the default branch and the tags. Raises :class:`SourceError`."""
        refs = self._list("HEAD", "refs/tags/*")
        head = refs.pop("HEAD", None)
        notes: tuple[str, ...] = ()
        if head is None:
            branches = self._list("refs/heads/*")
            if len(branches) == 1:
                ((name, head),) = branches.items()
                notes = (f"the default branch has no commits; collected the only other one, {name[11:]}",)
            elif branches:
                raise SourceError(
                    "the default branch of the repository has no commits, and there are several others",
                    "let HEAD of the repository point to one of its branches",
                )
            elif not refs and vacant.can_be_mistaken(self.access):
                self._check_vacant()
        return Advertised(head, refs, notes)

    def _check_vacant(self) -> None:
        """Make sure that an empty answer is from a repository. Raises :class:`SourceError`."""
        done = self._ask(vacant.traced(self.access), "HEAD")
        if done.status or done.stalled:
            raise explain(replace(done, errors=vacant.without_trace(done.errors)), self.silence)
        vacant.check(done.errors)

    def _ask(self, environment: Mapping[str, str], *patterns: str) -> process.Completed:
        arguments = ["git", "ls-remote", "--quiet", "--", self.access.url, *patterns]
        return process.run(arguments, environment, silence=self.silence)

    def _list(self, *patterns: str) -> dict[str, str]:
        done = self._ask(self.access.environment, *patterns)
        if done.status or done.stalled:
            raise explain(done, self.silence)
        lines = (line.split("\t", 1) for line in done.output.decode(errors="surrogateescape").splitlines())
        return {name: version for version, name in lines if not name.endswith("^{}") and _listed(name)}


def _listed(name: str) -> bool:
    return name == "HEAD" or name.startswith(("refs/tags/", "refs/heads/"))


def remove(folder: Path) -> None:
    """Remove a clone, or the remains of one from a killed agent."""
    if folder.exists():
        process.end_forgotten(_FETCHES_INTO, str(folder))
        shutil.rmtree(folder, ignore_errors=True)


class Clone:
    """A bare clone in its own folder.

    Without ``contents`` it has commits and tags, but no files except the mailmap. With a ``depth`` it has only that
    many commits of each branch and tag.
    """

    def __init__(self, folder: Path, remote: Remote, *, contents: bool = True, depth: int | None = None) -> None:
        self.folder = folder
        self._remote = remote
        self._contents = contents
        self._is_whole = self.exists and not self._is_partial
        self._depth = depth
        self.without_mailmap = False

    @property
    def environment(self) -> Mapping[str, str]:
        """The variables for a git that reads the clone. It may not fetch missing objects."""
        base = configured(base_environment(), ("mailmap.blob=",)) if self.without_mailmap else base_environment()
        return base | _MEMORY | {"GIT_NO_LAZY_FETCH": "1", "GIT_DIR": str(self.folder)}

    def leave_out_huge_mailmap(self, head: str) -> str | None:
        """Ignore the clone's mailmap if it is huge, and return a note: git would read all of it for each block."""
        done = self.git("cat-file", "-s", f"{head}:.mailmap")
        size = int(done.output) if done.status == 0 and done.output.strip().isdigit() else 0
        self.without_mailmap = size > LARGEST_MAILMAP
        return f"its .mailmap has {size} bytes and was left out" if self.without_mailmap else None

    def update(self, advertised: Advertised, progress: Progress) -> None:
        """Update the clone to what its origin advertises. Raises :class:`SourceError`.

        An interrupted clone is continued. A damaged clone is replaced.
        """
        with storage_errors(self.folder):
            self._clear_leftovers()
            if self.exists and ((self._contents and self._is_partial) or self._is_of_another_kind(advertised)):
                shutil.rmtree(self.folder)
        if not self._is_current(advertised):
            self._fetch_all(advertised, progress)
        if self._is_partial:
            self._fetch_mailmap()

    def _is_of_another_kind(self, advertised: Advertised) -> bool:
        """Whether the origin was recreated with hashes of another length."""
        if not self._configuration:
            return False  # creating the clone was interrupted before its hash length was set
        return (b"sha256" in self._configuration) != (len(advertised.head or "") == _SHA256_DIGITS)

    @property
    def exists(self) -> bool:
        """Whether something was fetched before."""
        return (self.folder / "HEAD").exists()

    def has(self, commit: str) -> bool:
        """Whether a commit is in the clone."""
        return self.git("cat-file", "-e", f"{commit}^{{commit}}").status == 0

    @property
    def is_shallow(self) -> bool:
        """Whether the clone, like its origin, lacks older parts of the history."""
        return (self.folder / "shallow").exists()

    def git(self, *arguments: str) -> process.Completed:
        """Run a quick git command in the clone."""
        return process.run(["git", *arguments], self.environment, silence=self._remote.silence)

    def _is_current(self, advertised: Advertised) -> bool:
        if not self.exists or (self.is_shallow and self._depth is None):
            return False  # a shallow origin may have become complete without a new commit
        done = self.git("for-each-ref", "--format=%(objectname) %(refname)", "refs/tags", HEAD)
        lines = (line.split(" ", 1) for line in done.output.decode(errors="surrogateescape").splitlines())
        refs = {name: version for version, name in lines}
        return done.status == 0 and refs.pop(HEAD, None) == advertised.head and refs == dict(advertised.tags)

    @property
    def _is_partial(self) -> bool:
        return b"partialclone" in self._configuration

    @property
    def _configuration(self) -> bytes:
        """The clone's own configuration in lower case. Empty if there is none yet."""
        path = self.folder / "config"
        return path.read_bytes().lower() if path.exists() else b""

    def _initialise(self, advertised: Advertised) -> None:
        kind = "sha256" if len(advertised.head or "") == _SHA256_DIGITS else "sha1"
        options = ("--quiet", "--bare", "--template=", f"--object-format={kind}")
        arguments = ["git", "init", *options, "--", str(self.folder)]
        done = process.run(arguments, base_environment(), silence=self._remote.silence)
        if done.status:
            raise explain(done, self._remote.silence)
        (self.folder / "HEAD").write_text(f"ref: {HEAD}\n", encoding="ascii")

    def _clear_leftovers(self) -> None:
        """Remove what a killed agent left: a git that is still running, and files of one that is not."""
        if self.folder.is_dir():
            process.end_forgotten(_FETCHES_INTO, str(self.folder))
            for pattern in _LEFTOVERS:
                for leftover in self.folder.glob(pattern):
                    leftover.unlink(missing_ok=True)

    def _fetch_all(self, advertised: Advertised, progress: Progress) -> None:
        with storage_errors(self.folder):
            self.folder.parent.mkdir(parents=True, exist_ok=True)
            self._initialise(advertised)
        done = self._fetch(advertised, progress)
        if done.status and not done.stalled and _DAMAGED.search(done.errors):
            with storage_errors(self.folder):
                shutil.rmtree(self.folder)
                self._initialise(advertised)
            self._is_whole = True  # git fails without the folder that a tag points to
            done = self._fetch(advertised, progress)
        if done.status or done.stalled:
            raise explain(done, self._remote.silence)

    def _fetch(self, advertised: Advertised, progress: Progress) -> process.Completed:
        head = f"+{advertised.head}" if advertised.notes else "+HEAD"
        whole = self._contents or self._is_whole
        depth = ["--update-shallow" if self._depth is None else f"--depth={self._depth}"]
        if self.is_shallow and self._depth is None:
            depth.insert(0, "--unshallow")  # fetches as much as the origin has
        return self._run_fetch(
            *depth,
            *() if whole else (_COMMITS_ONLY,),
            *("--prune", "--force", "--", f"{head}:{HEAD}", "+refs/tags/*:refs/tags/*"),
            progress=progress,
        )

    def _fetch_mailmap(self) -> None:
        """Fetch the mailmap into a clone without files, through the root tree of the newest commit."""
        tree = self.git("cat-file", "commit", HEAD).output.split(maxsplit=2)[1].decode()
        self._fetch_object(tree)
        listed = self.git("ls-tree", tree, ".mailmap").output.split()
        if listed:
            self._fetch_object(listed[2].decode())

    def _fetch_object(self, name: str) -> None:
        if self.git("cat-file", "-e", name).status:
            # existing objects would make the server assume that this one exists too, so they are not announced
            done = self._run_fetch(_COMMITS_ONLY, "--", name, configuration=("fetch.negotiationAlgorithm=noop",))
            if done.status or done.stalled:
                raise explain(done, self._remote.silence)

    def _run_fetch(
        self, *arguments: str, progress: Progress = no_progress, configuration: tuple[str, ...] = ()
    ) -> process.Completed:
        """Run ``git fetch`` with these arguments. References and objects follow ``--``."""
        options, wanted = arguments[: arguments.index("--")], arguments[arguments.index("--") + 1 :]
        url = self._remote.access.url
        environment = configured(self._remote.access.environment, (f"remote.origin.url={url}", *configuration))
        # an incomplete clone needs a name for its origin; the URL stays out of its files
        where = "origin" if _COMMITS_ONLY in options else url

        def watch(block: bytes) -> None:
            for step, done, total in _PROGRESS.findall(block):
                progress(step.decode().lower(), int(done), int(total))

        fixed = ("--progress", "--no-tags", "--no-write-fetch-head", "--no-auto-maintenance", "--no-recurse-submodules")
        return process.run(
            ["git", "fetch", *fixed, *options, "--", where, *wanted],
            {**environment, "GIT_DIR": str(self.folder), _FETCHES_INTO: str(self.folder)},
            silence=self._remote.silence,
            on_errors=watch,
        )


_DAMAGED = re.compile(
    r"bad object|corrupt|object file .* is empty|unable to read tree|did not send all necessary objects"
    r"|not a git repository: '?/|missing (?:blob|tree|commit)"
)

_REASONS: tuple[tuple[str, str, str], ...] = (
    (
        r"cannot run ssh|\bssh: (?:command )?not found",
        process.NO_SSH,
        "install an SSH client (openssh-client)",
    ),
    (
        r"pack-objects died",
        "the repository lacks some of its own objects, as a partial clone or a damaged one does",
        "collect from the repository that it was cloned from; git fsck shows details",
    ),
    process.DISK_IS_FULL,
    (
        (
            r"could not read (?:Username|Password)|Authentication failed|Permission denied|terminal prompts disabled"
            r"|HTTP Basic: Access denied|returned error: 40[13]"
        ),
        "the repository asks for a password or key that is missing or wrong",
        "set username and password, or env for SSH, for its host in the credentials file",
    ),
    (
        r"[Hh]ost key verification failed|REMOTE HOST IDENTIFICATION HAS CHANGED",
        "the host shows another SSH key than the one that was pinned",
        "find out why; if the change is legitimate, remove the host's line from the known hosts file",
    ),
    (
        r"/info/refs not valid|protocol error: bad line length|invalid server response",
        "the server does not answer with a repository, but for example with a web page",
        "check the address, and whether it needs a log-in",
    ),
    (
        r"certificate|SSL",
        "the host's certificate is not trusted",
        "name the authority's certificate as cacert of the host in the credentials file, or install it",
    ),
    (
        r"dubious ownership",
        "git refuses to read a repository that belongs to another user",
        "run the agent as the repository's owner (in a container: --user NUMBER), or read it over another transport",
    ),
    (
        r"not found|does not appear to be a git repository|does not exist|No such file|not a git repository",
        "there is no such repository",
        "check its URL, and that this account may read it",
    ),
    (
        (
            r"[Cc]ould not resolve|Name or service not known|Connection (?:refused|timed out|reset)|unable to connect"
            r"|Failed to connect|Could not connect|No route to host|unreachable|timed out"
        ),
        "the repository's host can't be reached",
        "check its URL, the network and the proxy",
    ),
)


OUT_OF_MEMORY = re.compile(
    r"[Oo]ut of memory|[Cc]annot allocate memory|mmap failed|malloc failed|unable to create thread"
)


def too_much_memory(words: str) -> SourceError:
    """The error for a git that exceeded its memory limit."""
    reason = "git needs more memory for this repository than it may use: something in it is huge"
    return SourceError(
        f"{reason} (git: {words})",
        "check its largest commit; raise PROGRAM_MAX_MEMORY, or set skip_stats for its host to skip files",
        own=reason,
    )


def explain(done: process.Completed, silence: float) -> SourceError:
    """Turn git's error output into an error for users: the reason first, then git's own words."""
    if done.stalled or "Operation too slow" in done.errors:  # curl may notice it first
        return SourceError(
            Own(f"the repository's host was silent for {silence:g} s"),
            "check the network, or allow more time with --timeout",
        )
    lines = [line.strip() for line in done.errors.splitlines() if line.strip()]
    words = next(
        (line for line in lines if line.startswith(("fatal:", "error:", "ERROR:"))),
        lines[-1] if lines else "",
    )
    if any(OUT_OF_MEMORY.search(line) for line in lines if not line.startswith("remote:")):
        return too_much_memory(words)
    for pattern, reason, hint in _REASONS:
        if re.search(pattern, done.errors):
            kind = MachineError if reason in process.OF_MACHINE else SourceError
            return kind(f"{reason} (git: {words})", hint, own=reason)
    return SourceError(f"git failed: {words or f'status {done.status}'}", own=f"git failed with status {done.status}")

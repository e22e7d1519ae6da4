"""Repositories that are hard to read, each for a reason of its own, made by real git."""

import shutil
from collections.abc import Callable
from pathlib import Path

from support.repository import START, Repository

LINES = "".join(f"line {number}\n" for number in range(30))


def _add_raw(repository: Repository, content: str) -> None:
    """Add a commit as it stands there, whatever git thinks of it."""
    arguments = ("hash-object", "-t", "commit", "-w", "--stdin", "--literally")
    repository.git("update-ref", "refs/heads/main", repository.git(*arguments, stdin=content.encode()))


def undoing_merges(path: Path) -> Repository:
    """Merges that keep nothing of what they merge, that take back what was there before, and that do both."""
    repository = Repository.make(path)
    repository.commit("base", {"a": LINES, "b": LINES})
    for name, strategy in (("ours", "ours"), ("recursive", "ort")):
        repository.git("checkout", "--quiet", "-b", name)
        repository.commit(f"work on {name}", {name: LINES, "a": LINES + name})
        repository.git("checkout", "--quiet", "main")
        repository.commit(f"meanwhile, {name}", {"b": LINES + name})
        repository.git("merge", "--quiet", "--no-ff", "--no-commit", "-s", strategy, name)
        if strategy == "ort":
            repository.git("checkout", "HEAD~1", "--", "b")
            repository.git("rm", "--quiet", "-f", "a")
        repository.git("commit", "--quiet", "-m", f"Merge branch '{name}'")
    merge = repository.head
    repository.git("revert", "--no-edit", "-m", "1", merge)
    repository.git("revert", "--no-edit", "HEAD")
    return repository


def raw_commits(path: Path) -> Repository:
    """Commits that git would not make today, and finds in old repositories."""
    repository = Repository.make(path)
    repository.commit("first", {"a": "1"})
    people = (
        "A <B> C <angle@brackets.example> 1600000000 +0000",
        "Angle <<double@brackets.example>> 1600000001 +0000",
        "Before Epoch <before@epoch.example> -100000 +0000",
        "Long Before <long@before.example> -2208988800 +0100",
        "After 2100 <after@2100.example> 4133980800 +0000",
        "Far Ahead <far@ahead.example> 32503680000 -0300",
        "Chatham <chatham@islands.example> 1600000002 +1345",
        "West <west@west.example> 1600000003 -1200",
        "Odd Zone <odd@zone.example> 1600000004 +9999",
        "Nobody <> 1600000005 +0000",
        " <nameless@name.example> 1600000006 +0000",
        "Trailing Dot. <trailing@dot.example> 1600000007 -0000",
    )
    for person in people:
        header = f"tree {repository.git('rev-parse', 'HEAD^{tree}')}\nparent {repository.head}\n"
        _add_raw(repository, f"{header}author {person}\ncommitter {person}\n\nby {person}\n")
    return repository


def signatures(path: Path) -> Repository:
    """A signed commit, and signed tags; nobody checks the signatures."""
    repository = Repository.make(path)
    repository.commit("first", {"a": "1"})
    signature = "-----BEGIN PGP SIGNATURE-----\n\niQEzBAABCAAdFiEE\n=abcd\n-----END PGP SIGNATURE-----"
    header = f"tree {repository.git('rev-parse', 'HEAD^{tree}')}\nparent {repository.head}\n"
    person = "Signing Person <signing@person.example> 1600000000 +0000"
    folded = signature.replace("\n", "\n ")
    _add_raw(repository, f"{header}author {person}\ncommitter {person}\ngpgsig {folded}\n\na signed commit\n")
    tag = f"object {repository.head}\ntype commit\ntag signed\ntagger {person}\n\nsigned\n{signature}\n"
    identifier = repository.git("mktag", stdin=tag.encode())
    repository.git("update-ref", "refs/tags/signed", identifier)
    return repository


def grafts_and_replacements(path: Path) -> Repository:
    """A repository whose owner sees another history than the one that is there."""
    repository = Repository.make(path)
    commits = [repository.commit(f"commit {number}", {"a": f"{number}\n"}) for number in range(6)]
    repository.git("replace", "--graft", commits[3], commits[0])
    other = repository.git("commit-tree", "-p", commits[3], "-m", "replaced message", f"{commits[4]}^{{tree}}")
    repository.git("replace", commits[4], other)
    return repository


def alternates(path: Path) -> Repository:
    """Objects of which half lie in another repository."""
    lender = Repository.make(path.with_name("lender"))
    for number in range(5):
        lender.commit(f"lent {number}", {"a": f"{number}\n"})
    lender.git("clone", "--quiet", "--shared", str(lender.path), str(path))
    repository = Repository(path)
    repository.commit("own", {"b": "1\n"})
    return repository


def partial(path: Path) -> Repository:
    """A partial clone, whose files' contents lie where it was cloned from."""
    whole = Repository.make(path.with_name("whole"))
    for number in range(5):
        whole.commit(f"commit {number}", {"a": LINES + f"{number}\n"})
    whole.git("config", "uploadpack.allowFilter", "true")
    whole.git("config", "uploadpack.allowAnySHA1InWant", "true")
    whole.git("clone", "--quiet", "--filter=blob:none", "--no-checkout", whole.url, str(path))
    return Repository(path)


def large_files(path: Path) -> Repository:
    """Pointers of Git LFS: what they point to is not asked for, and the programs that would ask are not run."""
    repository = Repository.make(path)
    canary = path.parent / "a program was run"
    for name in ("filter.lfs.smudge", "filter.lfs.clean", "filter.lfs.process", "diff.lfs.textconv", "diff.external"):
        repository.git("config", name, f"touch '{canary}' #")
    pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:{:064x}\nsize {}\n"
    repository.write({".gitattributes": "*.bin filter=lfs diff=lfs merge=lfs -text\n"})
    for number in range(3):
        blob = repository.git("hash-object", "-w", "--stdin", stdin=pointer.format(number, number * 10**9).encode())
        repository.git("update-index", "--add", "--cacheinfo", f"100644,{blob},large{number % 2}.bin")
        repository.git("update-index", "--add", ".gitattributes")
        repository.git("commit", "--quiet", "-m", f"large file {number}")
    assert not canary.exists()
    return repository


def attributes(path: Path) -> Repository:
    """Attributes that would hide changes, had they a say."""
    repository = Repository.make(path.with_name("with a working tree"))
    repository.commit("first", {".gitattributes": "*.txt -diff\n*.csv diff=none\n", "a.txt": "1\n", "b.csv": "1\n"})
    repository.commit("second", {"a.txt": "1\n2\n", "b.csv": "2\n", "c.dat": b"\0"})
    repository.git("clone", "--quiet", "--bare", str(repository.path), str(path))
    return Repository(path)


def long_message(path: Path) -> Repository:
    """A commit message of 5 MB."""
    repository = Repository.make(path)
    repository.commit("first", {"a": "1"})
    message = b"long\n\n" + b"word " * 1_048_576
    repository.git("commit", "--quiet", "--allow-empty", "-F", "-", "--cleanup=verbatim", stdin=message)
    repository.commit("last", {"a": "2"})
    return repository


HARD: tuple[Callable[[Path], Repository], ...] = (
    *(undoing_merges, raw_commits, signatures, grafts_and_replacements),
    *(alternates, large_files, attributes, long_message),
)


def many_files(path: Path, count: int) -> Repository:
    """A commit with many files, and one that moves all of them."""
    repository = Repository.make(path)
    stream = [f"commit refs/heads/main\ncommitter C <c@c.example> {START} +0000\ndata 4\nmany\n"]
    for number in range(count):
        text = f"{number}\n"
        stream.append(f"M 100644 inline before/{number % 100}/{number}\ndata {len(text)}\n{text}\n")
    stream.append(f"commit refs/heads/main\ncommitter C <c@c.example> {START + 1} +0000\ndata 4\nmove\n")
    stream.append("R before after\n\n")
    repository.git_bytes("fast-import", "--quiet", stdin="".join(stream).encode())
    return repository


def hostile_configuration(path: Path, canary: Path) -> Repository:
    """A repository whose configuration and hooks run programs wherever git lets them."""
    repository = Repository.make(path)
    repository.commit("first", {"a": "1", ".gitattributes": "* filter=evil diff=evil\n"})
    hooks = path / "evil"
    hooks.mkdir()
    touch = shutil.which("touch")
    for name in (
        *("pre-receive", "update", "post-update", "post-checkout", "reference-transaction", "pre-auto-gc"),
        *("fsmonitor-watchman", "post-index-change", "post-rewrite", "proc-receive", "push-to-checkout"),
    ):
        for folder in (hooks, path / ".git" / "hooks"):
            folder.mkdir(exist_ok=True)
            (folder / name).write_text(f"#!/bin/sh\n{touch} '{canary}'\n")
            (folder / name).chmod(0o755)
    program = f"sh -c \"touch '{canary}'\" #"
    for name in (
        *("core.fsmonitor", "core.editor", "core.pager", "core.sshCommand", "core.gitProxy", "core.askPass"),
        *("diff.external", "diff.evil.command", "diff.evil.textconv", "filter.evil.clean", "filter.evil.smudge"),
        *("filter.evil.process", "uploadpack.packObjectsHook", "gpg.program", "credential.helper", "alias.log"),
        *("sequence.editor", "interactive.diffFilter", "pager.log", "pager.for-each-ref"),
    ):
        repository.git("config", name, program)
    repository.git("config", "core.hooksPath", str(hooks))
    return repository

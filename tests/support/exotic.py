"""A repository with what real ones have and nobody expects, none of which may be an error."""

from pathlib import Path

from support.repository import Repository

LATIN = "caf\xe9 und \xfcberhaupt".encode("latin-1")


def exotic(path: Path) -> Repository:
    """Merges of all kinds, renames, odd names, odd people, odd messages, a mailmap, tags of all kinds."""
    repository = Repository.make(path)
    _ordinary(repository)
    _paths(repository)
    _merges(repository)
    _people_and_messages(repository)
    _tags(repository)
    return repository


def _ordinary(repository: Repository) -> None:
    lines = "".join(f"line {number}\n" for number in range(50))
    repository.commit("first", {"a.txt": lines, "bin": b"\0\1\2", "empty": ""})
    first = repository.head
    repository.commit("edit", {"a.txt": lines.replace("line 7\n", "")})
    repository.git("mv", "a.txt", "b.txt")
    repository.commit("rename without changes")
    repository.git("mv", "b.txt", "deep-name.txt")
    repository.commit("rename with changes", {"deep-name.txt": lines.replace("line 9\n", "line nine\n")})
    (repository.path / "folder").mkdir()
    repository.git("mv", "deep-name.txt", "folder/deep-name.txt")
    repository.commit("rename across folders")
    (repository.path / "bin").chmod(0o755)
    repository.commit("mode change")
    (repository.path / "empty").unlink()
    (repository.path / "empty").symlink_to("bin")
    repository.commit("type change")
    repository.git("rm", "--quiet", "empty")
    repository.commit("delete")
    repository.commit("nothing changes here")
    repository.commit("binary changes", {"bin": b"\0\3\4\5"})
    repository.git("update-index", "--add", "--cacheinfo", f"160000,{first},module")
    repository.git("commit", "--quiet", "-m", "a submodule")
    repository.git("revert", "--no-edit", "HEAD~1")
    repository.commit("no newline at the end", {"tail": "a\nb"})


def _paths(repository: Repository) -> None:
    odd = (
        b"new\nline.txt", b"tab\there.txt", b'quote".txt', b"back\\slash.txt", b"sp ace.txt", b"caf\xe9.txt",
        "\u00e9\U0001f600.txt".encode(), b"a => b.txt", b"{old => new}/file", b":100644 x", b"-", b"0\t0\tx", b"\x01c",
    )  # fmt: skip
    stream = b"commit refs/heads/main\ncommitter C <c@c.example> 1600100000 +0000\n"
    stream += b"data 9\nodd paths\nfrom refs/heads/main^0\n"
    for path in odd:
        stream += b"M 100644 inline " + _quoted(path) + b"\ndata 4\nabc\n\n"
    stream += b"\ncommit refs/heads/main\ncommitter C <c@c.example> 1600100100 +0000\ndata 11\nodd renames\n"
    for path in odd:
        stream += b"R " + _quoted(path) + b" " + _quoted(b"moved/" + path) + b"\n"
    repository.git_bytes("fast-import", "--quiet", "--date-format=raw", stdin=stream + b"\n")
    repository.git("reset", "--quiet", "--hard")


def _quoted(path: bytes) -> bytes:
    return b'"' + path.replace(b"\\", b"\\\\").replace(b'"', b'\\"').replace(b"\n", b"\\n") + b'"'


def _merges(repository: Repository) -> None:
    for number, message in enumerate(
        (
            "Merge branch 'topic/one'",
            "Merge pull request #12 from someone/patch-1",
            "Merge remote-tracking branch 'origin/two'",
            "Merged in three (pull request #3)",
            "a merge that names nothing",
        )
    ):
        repository.git("checkout", "--quiet", "-b", f"side{number}", "HEAD~1")
        repository.commit(f"on the side {number}", {f"side{number}": f"{number}\n"})
        repository.git("checkout", "--quiet", "-b", f"nested{number}")
        repository.commit(f"nested {number}", {f"nested{number}": f"{number}\n"})
        repository.git("checkout", "--quiet", f"side{number}")
        repository.git("merge", "--quiet", "--no-ff", "-m", "Merge branch 'inner'", f"nested{number}")
        repository.git("checkout", "--quiet", "main")
        repository.git("merge", "--quiet", "--no-ff", "-m", message, f"side{number}")
    for name in ("octopus1", "octopus2"):
        repository.git("checkout", "--quiet", "-b", name, "HEAD")
        repository.commit(name, {name: name})
        repository.git("checkout", "--quiet", "main")
    repository.git(
        "merge", "--quiet", "--no-ff", "-m", "Merge branches 'octopus1' and 'octopus2'", "octopus1", "octopus2"
    )
    repository.git("checkout", "--quiet", "--orphan", "second-root")
    repository.git("rm", "-rfq", ".")
    repository.commit("another root", {"other/root": "x\n"})
    repository.git("checkout", "--quiet", "main")
    repository.git("merge", "--quiet", "--allow-unrelated-histories", "-m", "Merge branch 'second-root'", "second-root")
    repository.git("checkout", "--quiet", "-b", "conflict", "HEAD~1")
    repository.commit("theirs", {"conflict.txt": "theirs\n"})
    repository.git("checkout", "--quiet", "main")
    repository.commit("ours", {"conflict.txt": "ours\n"})
    repository.git("merge", "--quiet", "-s", "ours", "--no-commit", "conflict")
    repository.commit("Merge branch 'conflict'", {"conflict.txt": "by hand\n"})


def _people_and_messages(repository: Repository) -> None:
    people = (
        (b" <>", b"nobody at all"),
        (b" <only@address.example>", b"address only"),
        (b"Only Name <>", b"name only"),
        (b"J\xf6rg M\xfcller <jm@latin.example>", b"undeclared latin"),
        ("J\u00f6rg M\u00fcller <jm@utf8.example>".encode(), LATIN),
        (b"Old Name <old@mapped.example>", b"mapped by the mailmap"),
        (b"No At Sign <root>", b"no at sign"),
        (b"Very Long " + b"Name " * 120 + b"<long@name.example>", b"long name"),
        (b"Plain <plain@control.example>", b"control \x01\x02\x1b[31m characters \x7f\n\nsecond paragraph\n"),
        (b"Plain <plain@long.example>", b"long\n\n" + b"x" * 999_999 + b"\n"),
        (b"Plain <plain@blank.example>", b"\n\n  leading blank lines\n\n\ntrailing ones\n\n\n"),
        (b"Plain <plain@none.example>", b""),
        (b"Plain <plain@json.example>", b'{"a": [1, "\\"}\n{"]}\n'),
        (b"Plain <plain@revert.example>", b'Revert "x"\n\nbecause\n'),
    )
    stream = b""
    for number, (person, message) in enumerate(people):
        stream += b"commit refs/heads/main\nauthor %s %d +0530\n" % (person, 1_600_200_000 + number)
        stream += b"committer C <c@c.example> %d -1100\n" % (1_600_200_100 + number)
        stream += b"data %d\n%s\n" % (len(message), message)
        if not number:
            stream += b"from refs/heads/main^0\n"
        stream += b"M 100644 inline person%d\ndata 2\n%d\n\n" % (number, number % 10)
    repository.git_bytes("fast-import", "--quiet", "--date-format=raw", stdin=stream)
    repository.git("reset", "--quiet", "--hard")
    raw = (
        f"tree {repository.git('rev-parse', 'HEAD^{tree}')}\nparent {repository.head}\n"
        "author Enc Oded <e@latin.example> 1600300000 +0000\n"
        "committer Enc Oded <e@latin.example> 1600300000 +0000\nencoding ISO-8859-1\n\n"
    ).encode() + LATIN
    commit = repository.git("hash-object", "-t", "commit", "-w", "--stdin", stdin=raw)
    repository.git("reset", "--quiet", "--hard", commit)
    repository.commit("a mailmap", {".mailmap": "New Name <new@mapped.example> Old Name <old@mapped.example>\n"})


def _tags(repository: Repository) -> None:
    repository.git("tag", "light")
    repository.git("tag", "-a", "heavy", "-m", "a message\n\nwith a body")
    repository.git("tag", "-a", "nested", "-m", "of a tag", "heavy")
    repository.git("tag", "tree", "HEAD^{tree}")
    repository.git("tag", "-a", "blob", "-m", "of a blob", "HEAD:tail")
    repository.git("tag", "x" * 150)
    old = {"GIT_COMMITTER_NAME": "Old Name", "GIT_COMMITTER_EMAIL": "old@mapped.example"}
    repository.variables.update(old)
    repository.git("tag", "-a", "mapped", "-m", "by a mapped person", "HEAD~1")
    for name in old:
        del repository.variables[name]

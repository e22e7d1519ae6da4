"""A Subversion repository with everything that can trip a reader."""

from pathlib import Path

from support.subversion import SubversionRepository, run

HEADERS = (
    "Index: trunk/a\n" + "=" * 67 + "\n--- trunk/a\t(revision 1)\n+++ trunk/a\t(revision 2)\n@@ -1 +1 @@\n-x\n+y\n"
)
_EMPTY = b"SVN-fs-dump-format-version: 2\n\nRevision-number: 1\nProp-content-length: %d\nContent-length: %d\n\n%b\n\n"


def awkward(path: Path) -> SubversionRepository:
    repository = SubversionRepository.make(path)
    commit, put = repository.commit, repository.put
    commit(*(("mkdir", name) for name in ("trunk", "branches", "tags", "trunk/d", "trunk/d/deep", "docs")))
    commit(
        *(put(f"trunk/{name}", f"{name}\n") for name in ("at@1", "sp ace", "ünï", "a#b", "@", "per%25cent", "q?x=1&y")),
        put("trunk/headers", HEADERS),
        put("trunk/a", "".join(f"line {number}\n" for number in range(50))),
        *(put(f"trunk/d/{name}", f"{name}\nsecond\n") for name in ("b", "c", "deep/e")),
        message="files\n\nwith ünïcode, ]]> and <tags>\n",
    )
    commit(put("trunk/binary", b"\0\1\2\n\n"), ("propset", "svn:mime-type", "application/x-thing", "trunk/binary"))
    commit(put("trunk/picture", "x\ny\n"), ("propset", "svn:mime-type", "image/x-xpixmap", "trunk/picture"))
    commit(put("trunk/nul", b"a\0b\nc\n"), put("trunk/empty", ""), put("trunk/open", "no end"))
    commit(put("trunk/binary", b"\0\1\3\n"), put("trunk/nul", b"a\0c\nc\n"), put("trunk/open", "no end\n"))
    commit(put("trunk/ends", b"a\rb\rc\r\nd\n\r"), put("trunk/empty", "not\n"))
    commit(
        put("trunk/ends", b"a\rB\rc\nd\n\r"),
        put("trunk/at@1", "at\n"),
        put("trunk/picture", "x\nz\n"),
        put("trunk/headers", HEADERS * 2),
    )
    commit(("propset", "p", "v", "trunk/a"), ("propset", "p", "v", "trunk"), ("propset", "p", "v", "."))
    commit(("propset", "p", "w", "trunk/a"), put("trunk/a", "short\n"))
    # moves, of a file that changes too, of a folder with a file that does, and of one file to two places
    commit(("mv", "trunk/a", "trunk/moved"), put("trunk/moved", "short\nlonger\n"), author="carl")
    commit(("mv", "trunk/d", "trunk/f"), put("trunk/f/b", "other\nsecond\n"), ("rm", "trunk/f/c"))
    commit(("cp", "HEAD", "trunk/ünï", "trunk/u1"), ("cp", "HEAD", "trunk/ünï", "trunk/u2"), ("rm", "trunk/ünï"))
    # copies, of a file and of a folder
    commit(("cp", "HEAD", "trunk/moved", "trunk/copy"), put("trunk/copy", "one more\n"))
    commit(("cp", "HEAD", "trunk/f", "trunk/g"), put("trunk/g/b", "third\n"), put("trunk/g/new", "x\n"))
    # replacements: of a file by another, by a folder, by an old copy of itself; of a folder
    commit(("rm", "trunk/copy"), put("trunk/copy", "quite\nanother\n"))
    commit(("rm", "trunk/copy"), ("mkdir", "trunk/copy"), put("trunk/copy/in", "x\n"))
    commit(("rm", "trunk/headers"), ("cp", "3", "trunk/headers", "trunk/headers"))
    commit(("rm", "trunk/g"), ("cp", "HEAD", "trunk/f", "trunk/g"), put("trunk/g/again", "x\n"))
    # a branch with work on it, merged and taken back; a tag that is not as it was; folders that go
    commit(("cp", "HEAD", "trunk", "branches/work"), message="start work")
    commit(put("branches/work/moved", "work\n"), message="work")
    commit(put("trunk/moved", "work\n"), ("propset", "svn:mergeinfo", "/branches/work:21-22", "trunk"))
    commit(("propset", "svn:mergeinfo", "/branches/work:21", "trunk"), message="not that one")
    commit(put("trunk/moved", "no work\n"), message="Reverted r24, it broke the build")
    commit(("cp", "HEAD", "trunk", "tags/one"), put("tags/one/VERSION", "1\n"), ("rm", "tags/one/nul"), author="ünï")
    commit(put("trunk/both", "x\n"), put("branches/work/both", "x\n"))
    commit(("rm", "branches/work"), message="gone")
    commit(("mv", "trunk/g", "docs/g"), ("rm", "trunk/f"), put("branches/README", "text\n"), put("docs/x", "x\n"))
    commit(("cp", "HEAD", "trunk", "tags/two"), author="carl", message="Revert button added")
    commit(put("tags/note", "a file\n"))
    _empty_revisions(repository)
    repository.set_revision_property(3, "svn:author", None)
    repository.set_revision_property(4, "svn:date", None)
    repository.set_revision_property(5, "svn:log", None)
    repository.set_revision_property(6, "svn:author", "Ünï Cödé")
    return repository


def _empty_revisions(repository: SubversionRepository) -> None:
    for author, message in ((b"ada", b"nothing"), (b"\xe4da", b"\xff\xfe \x01\r\n]]>")):
        properties = b"".join(
            b"K %d\n%b\nV %d\n%b\n" % (len(name), name, len(text), text)
            for name, text in ((b"svn:author", author), (b"svn:log", message))
        )
        content = properties + b"PROPS-END\n"
        dump = _EMPTY % (len(content), len(content), content)
        run("svnadmin", "load", "-q", "--bypass-prop-validation", repository.path, stdin=dump)

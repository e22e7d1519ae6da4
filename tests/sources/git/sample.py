"""Git in the suites that try every source: a repository with everything odd in it."""

from contextlib import ExitStack
from pathlib import Path

from support.exotic import exotic
from support.parrot import SECRET, USER
from support.repository import START, Repository
from support.sources import Credentials, Sample, SourceUnderTest, at, context
from support.together import LONG, Together


def sample(folder: Path, _stack: ExitStack) -> Sample:
    repository = exotic(folder / "sample")
    one = context(folder, "git", repository.url)
    return Sample(one, lambda: repository.commit("more", {"more": "x"}), at(one, "file:///nowhere/at/all"))


def join(_stack: ExitStack, one: Together) -> None:
    """Two repositories whose names differ in case, and others that are empty, or have nothing but a tag."""
    for number, name in enumerate(("Code", "code")):
        repository = Repository.make(one.folder / str(number) / name)
        repository.commit("fïrst", {"ä/日本.txt": "1\n", "a": "1\n"})
        repository.git("checkout", "--quiet", "-b", "brånch")
        repository.commit("on a branch", {"b": "\0"})
        repository.git("checkout", "--quiet", "main")
        repository.git("merge", "--quiet", "--no-ff", "-m", "Merge branch 'brånch'", "brånch")
        repository.git("tag", "-a", "v1-ü", "-m", "vërsion")
        repository.git("fast-import", "--quiet", stdin=_long_paths(repository.head).encode())
        repository.git("reset", "--quiet", "--soft", "main")
        one.code += (repository,)
        one.add("git", name, repository.url)
    empty = Repository.make(one.folder / "empty")
    tagged = Repository.make(one.folder / "tagged")
    tree = tagged.git("hash-object", "-t", "tree", "-w", "/dev/null")
    tagged.git("tag", "alone", tagged.git("commit-tree", tree, "-m", "alone"))
    for repository in (empty, tagged):
        one.add("git", f"{repository.path.name} ß", repository.url)
    one.later.append(lambda: _later(one))


def _later(one: Together) -> None:
    for number, repository in enumerate(one.code):
        repository.commit(f"sécond {number} \U0001f600", {"wörk/ü.txt": f"of {number}\n"})
        repository.git("tag", f"späť-{number}")


def _long_paths(parent: str) -> str:
    """A commit with two files whose paths are equal in their first 1,000 characters."""
    person = f"Ada Author <ada@author.example> {START} +0000"
    files = "".join(f"M 100644 inline {LONG}/{name}\ndata 2\n1\n\n" for name in ("xa", "xb"))
    return f"commit refs/heads/main\nauthor {person}\ncommitter {person}\ndata 4\nlong\nfrom {parent}\n{files}"


CREDENTIALS = Credentials("{url}/owner/name.git", {"username": USER, "password": SECRET})
UNDER_TEST = SourceUnderTest(kind="git", sample=sample, credentials=CREDENTIALS, join=join)

"""Subversion in the suites that try every source: a repository with trunk, branches and tags."""

from contextlib import ExitStack
from pathlib import Path

from support.parrot import SECRET, USER
from support.sources import Credentials, Sample, SourceUnderTest, at, context
from support.subversion import layout, svnserve
from support.together import Together


def sample(folder: Path, _stack: ExitStack) -> Sample:
    repository = layout(folder / "sample")
    one = context(folder, "subversion", repository.url)
    return Sample(one, lambda: repository.commit(repository.put("trunk/more", "x")), at(one, "file:///nowhere/at/all"))


def join(stack: ExitStack, one: Together) -> None:
    """A repository with names beyond ASCII."""
    repository = layout(one.folder / "served-subversion" / "ümläut")
    repository.commit(("cp", "HEAD", "trunk", "tags/zwölf"), message="tàg")
    port = stack.enter_context(svnserve(one.folder / "served-subversion"))
    one.add("subversion", "Sübversion", f"svn://127.0.0.1:{port}/{repository.path.name}")
    one.later.append(lambda: repository.commit(repository.put("trunk/ünï", "x\n"), message="mör"))
    one.subversion = repository


CREDENTIALS = Credentials("{url}/svn/name", {"username": USER, "password": SECRET})
UNDER_TEST = SourceUnderTest(kind="subversion", sample=sample, credentials=CREDENTIALS, join=join, needs_program=True)

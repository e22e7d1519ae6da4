"""Subversion in the suites that try every source: a repository with trunk, branches and tags."""

from contextlib import ExitStack
from pathlib import Path

from support.sources import Sample, SourceUnderTest, at, context
from support.subversion import layout


def sample(folder: Path, _stack: ExitStack) -> Sample:
    repository = layout(folder / "sample")
    one = context(folder, "subversion", repository.url)
    return Sample(one, lambda: repository.commit(repository.put("trunk/more", "x")), at(one, "file:///nowhere/at/all"))


UNDER_TEST = SourceUnderTest("subversion", sample)

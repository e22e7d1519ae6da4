"""Git in the suites that try every source: a repository with everything odd in it."""

from contextlib import ExitStack
from pathlib import Path

from support.exotic import exotic
from support.sources import Sample, SourceUnderTest, at, context


def sample(folder: Path, _stack: ExitStack) -> Sample:
    repository = exotic(folder / "sample")
    one = context(folder, "git", repository.url)
    return Sample(one, lambda: repository.commit("more", {"more": "x"}), at(one, "file:///nowhere/at/all"))


UNDER_TEST = SourceUnderTest("git", sample)

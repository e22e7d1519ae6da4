"""Repositories that are small to send and huge to read: that source's outcome, and the others are collected."""

import time
from pathlib import Path

import pytest

from gros_agent.errors import SourceError
from gros_agent.runtime import process
from gros_agent.sources.git import clone as clones
from gros_agent.sources.git import log as logs
from gros_agent.sources.git import stream as streams
from support.agent import Agent, give_secrets, table
from support.repository import Repository


def tree(repository: Repository, lines: list[str]) -> str:
    return repository.git("mktree", stdin="".join(f"{line}\n" for line in lines).encode())


def blob(repository: Repository, content: str) -> str:
    return repository.git("hash-object", "-w", "--stdin", stdin=content.encode())


def commit(repository: Repository, root: str, message: str = "bomb") -> None:
    made = repository.git("commit-tree", "-F", "-", root, stdin=message.encode())
    repository.git("update-ref", "HEAD", made)


@pytest.fixture
def sound(tmp_path: Path) -> Repository:
    other = Repository.make(tmp_path / "sound")
    other.commit("one", {"a": "1"})
    return other


def test_a_tree_bomb(agent: Agent, repository: Repository, sound: Repository) -> None:
    """Ten folders of ten folders, ten deep: ten thousand million files in some kilobytes."""
    give_secrets(agent)
    root = tree(repository, [f"100644 blob {blob(repository, 'x')}\tf{number}" for number in range(10)])
    for _ in range(9):
        root = tree(repository, [f"040000 tree {root}\td{number}" for number in range(10)])
    commit(repository, root)
    begun = time.monotonic()
    sources = ("--source", f"git:bomb={repository.path}", "--source", f"git:sound={sound.path}")
    done = agent.scrape(*sources, variables={"PROGRAM_MAX_MEMORY": "128"})
    assert time.monotonic() - begun < 60
    assert done.status == 3, done
    assert "more memory for this repository than it may use" in done.errors
    assert "PROGRAM_MAX_MEMORY" in done.output.replace("\n", " ")
    assert [row["repo_name"] for row in table(agent, "data_vcs_versions")] == ["sound"]
    assert "git needs more memory" in (agent.export() / "scrape.log").read_text()


def test_many_files_are_none(agent: Agent, repository: Repository) -> None:
    """A hundred thousand files in a commit, with the limits that are usual."""
    give_secrets(agent)
    folder = tree(repository, [f"100644 blob {blob(repository, 'x')}\tname-{number}" for number in range(1000)])
    commit(repository, tree(repository, [f"040000 tree {folder}\tfolder-{number}" for number in range(100)]))
    done = agent.scrape("--source", f"git:many={repository.path}")
    assert done.status == 0, done
    assert len(table(agent, "data_change_path")) == 100_000


def test_a_message_without_end(agent: Agent, repository: Repository) -> None:
    give_secrets(agent)
    commit(repository, tree(repository, []), "subject\n\n" + "m" * (40 << 20))
    repository.commit("the next one", {"a": "1"})
    done = agent.scrape("--source", f"git:long={repository.path}")
    assert done.status == 0, done
    first, second = table(agent, "data_vcs_versions")
    assert first["message"].startswith("subject\n\nmmm")
    assert len(first["message"]) < 2 * streams.LONGEST_RECORD
    assert second["message"].strip() == "the next one"
    assert "a text of 419430" in done.errors


def test_a_huge_mailmap(agent: Agent, repository: Repository) -> None:
    give_secrets(agent)
    lines = "".join(f"New {number} <n{number}@x.example> <o{number}@x.example>\n" for number in range(100_000))
    assert len(lines) > clones.LARGEST_MAILMAP
    repository.commit("one", {".mailmap": lines})
    repository.git("tag", "-a", "-m", "a tag", "v1")
    for _ in range(2):
        done = agent.scrape("--full", "--source", f"git:mapped={repository.path}")
        assert done.status == 0, done
        assert f"its .mailmap has {len(lines)} bytes and was left out" in done.output.replace("\n", " ")
        assert len(table(agent, "data_vcs_versions")) == len(table(agent, "data_tag")) == 1


def test_more_than_a_block_can_hold(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logs, "LARGEST_BLOCK", 10)
    with pytest.raises(SourceError, match="more than 10 bytes"):
        list(logs._bounded(iter([b"12345", b"678901"])))


@pytest.mark.parametrize("size", [1, 7, 300])
def test_records_that_are_cut(monkeypatch: pytest.MonkeyPatch, size: int) -> None:
    """Whatever blocks they come in, what follows a long one is whole."""
    monkeypatch.setattr(streams, "LONGEST_RECORD", 20)
    content = b"first\0" + b"x" * 1000 + b"\0after\0last"
    blocks = (content[start : start + size] for start in range(0, len(content), size))
    first, long, *others = streams.split(blocks, b"\0")
    assert (first, others) == (b"first", [b"after", b"last"])
    assert 20 < len(long) <= 20 + 2 * size
    assert set(long) == {ord("x")}


def test_memory_of_a_program() -> None:
    assert 1 << 30 <= process.memory_of_a_program() <= 4 << 30

"""Scrapes from the outside: what is new, what is an error and with which status, and what a crash leaves."""

import contextlib
import fcntl
import json
import random
import re
import shlex
import shutil
import signal
import socket
import stat
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest

from support import reference
from support.agent import Agent, give_secrets, table
from support.controller import wait_until
from support.exotic import exotic
from support.jenkins import Jenkins
from support.mounts import in_namespace
from support.proxy import Fault, Proxy, proxy
from support.replay import serving
from support.repository import Repository, linear_history
from support.sample import Sample
from support.servers import git_daemon, git_http


@pytest.fixture
def ready(agent: Agent) -> Agent:
    give_secrets(agent)
    return agent


def versions(agent: Agent) -> list[str]:
    return [row["version_id"] for row in table(agent, "data_vcs_versions")]


@dataclass(frozen=True)
class Batch:
    """What a scrape left: its commits, and the commit and path of each change."""

    output: str
    commits: list[str]
    paths: list[tuple[str, str]]

    @classmethod
    def collected(cls, agent: Agent, source: str) -> "Batch":
        """Scrape a source."""
        done = agent.scrape("--source", source)
        assert done.status == 0, done
        paths = [(row["version_id"], row["file"]) for row in table(agent, "data_change_path")]
        return cls(done.output, versions(agent), paths)


class TestIncrements:
    def test_nothing_new(self, ready: Agent, repository: Repository) -> None:
        repository.commit("one", {"a": "1"})
        repository.git("tag", "v1")
        ready.scrape("--source", f"git={repository.path}")
        done = ready.scrape("--source", f"git={repository.path}")
        assert done.status == 0
        assert table(ready, "data_vcs_versions") == table(ready, "data_change_path") == []
        assert [row["tag_name"] for row in table(ready, "data_tag")] == ["v1"]

    def test_one_new_commit_is_one_row(self, ready: Agent, repository: Repository) -> None:
        repository.commit("one", {"a": "1"})
        ready.scrape("--source", f"git={repository.path}")
        second = repository.commit("two", {"a": "2"})
        assert ready.scrape("--source", f"git={repository.path}").status == 0
        assert versions(ready) == [second]

    def test_full(self, ready: Agent, repository: Repository) -> None:
        commits = [repository.commit(str(number), {"a": str(number)}) for number in range(3)]
        for arguments in ((), ("--full",)):
            ready.scrape("--source", f"git={repository.path}", *arguments)
            assert versions(ready) == commits

    def test_empty_repository_then_a_commit(self, ready: Agent, repository: Repository) -> None:
        done = ready.scrape("--source", f"git={repository.path}")
        assert done.status == 0
        assert "the repository is empty" in done.output
        assert versions(ready) == []
        commit = repository.commit("one", {"a": "1"})
        ready.scrape("--source", f"git={repository.path}")
        assert versions(ready) == [commit]

    def test_rewritten_history(self, ready: Agent, repository: Repository) -> None:
        repository.commit("one", {"a": "1"})
        base = repository.head
        repository.commit("two", {"a": "2"})
        ready.scrape("--source", f"git={repository.path}")
        repository.git("reset", "--quiet", "--hard", base)
        other = repository.commit("another two", {"a": "3"})
        done = ready.scrape("--source", f"git={repository.path}")
        assert done.status == 0
        assert "history was rewritten" in done.output
        assert base[:12] in done.output
        assert versions(ready) == [other]

    @pytest.mark.parametrize("options", ["", "skip_stats=true\n"])
    def test_much_happens_between_two_scrapes(
        self, ready: Agent, repository: Repository, tmp_path: Path, options: str
    ) -> None:
        """New commits, a force-push and another default branch: no commit is lost, and none comes twice.

        One of the commits that were rewritten is merged again, so it is still reachable and has been collected.
        """
        origin = tmp_path / "origins" / "code.git"
        repository.git("init", "--quiet", "--bare", "--initial-branch=main", str(origin))
        repository.git("--git-dir", str(origin), "config", "uploadpack.allowFilter", "true")
        for number in range(20):
            repository.commit(f"old {number}", {"a": f"{number}\n", f"file{number}": "x\n"})
        repository.git("push", "--quiet", str(origin), "main")
        old = repository.head
        (ready.home / "credentials.cfg").write_text(f"[127.0.0.1]\n{options}")
        with git_daemon(origin.parent) as port:
            source = f"git:code=git://127.0.0.1:{port}/{origin.name}"
            first = Batch.collected(ready, source)
            repository.git("checkout", "--quiet", "-b", "topic", "HEAD~2")
            repository.commit("on the topic", {"topic": "1\n"})
            repository.git("checkout", "--quiet", "main")
            repository.git("reset", "--quiet", "--hard", "HEAD~3")
            rewritten = [repository.commit(f"again {number}", {"b": f"{number}\n", "c": "x\n"}) for number in (1, 2)]
            for number in range(10):
                repository.commit(f"new {number}", {"d": f"{number}\n", f"new{number}": "y\n"})
            repository.git("merge", "--quiet", "--no-ff", "-m", "Merge branch 'topic'", "topic")
            repository.git("push", "--quiet", str(origin), "main:refs/heads/trunk")
            repository.git("--git-dir", str(origin), "symbolic-ref", "HEAD", "refs/heads/trunk")
            repository.git("push", "--quiet", "--force", str(origin), f"{rewritten[0]}:refs/heads/main")
            repository.git("push", "--quiet", str(origin), ":refs/heads/main")
            second = Batch.collected(ready, source)
            third = Batch.collected(ready, source)
        words = " ".join(second.output.split())
        assert f"history was rewritten since {old[:12]}: collected from what is left in common" in words
        reachable = repository.git("rev-list", "--topo-order", "--reverse", "HEAD").splitlines()
        gone = repository.git("rev-list", old, "^HEAD").splitlines()
        assert len(gone) == 2
        assert set(gone) < set(first.commits)
        assert set(rewritten) < set(second.commits)
        assert second.commits == [commit for commit in reachable if commit not in first.commits]
        assert Counter(first.commits + second.commits) == Counter(reachable + gone)
        wanted = Counter((row["version_id"], row["file"]) for row in reference.rows(origin, "HEAD", "code")[1])
        found = Counter(path for path in first.paths + second.paths if path[0] not in gone)
        assert found == (Counter() if options else wanted)
        assert (third.commits, third.paths) == ([], [])
        assert "rewritten" not in third.output

    def test_commit_of_the_tracker_is_gone(self, ready: Agent, repository: Repository) -> None:
        commit = repository.commit("one", {"a": "1"})
        ready.scrape("--source", f"git:x={repository.path}")
        (ready.export() / "latest_vcs_versions.json").write_text(json.dumps({"x": "1" * 40}))
        done = ready.scrape("--source", f"git:x={repository.path}")
        assert done.status == 0
        assert "is gone: everything was collected again" in done.output
        assert versions(ready) == [commit]

    def test_default_branch_is_renamed(self, ready: Agent, repository: Repository) -> None:
        repository.commit("one", {"a": "1"})
        ready.scrape("--source", f"git={repository.path}")
        repository.git("branch", "-m", "trunk")
        second = repository.commit("two", {"a": "2"})
        assert ready.scrape("--source", f"git={repository.path}").status == 0
        assert versions(ready) == [second]

    def test_default_branch_without_commits(self, ready: Agent, repository: Repository) -> None:
        commit = repository.commit("one", {"a": "1"})
        repository.git("symbolic-ref", "HEAD", "refs/heads/elsewhere")
        done = ready.scrape("--source", f"git={repository.path}")
        assert done.status == 0
        assert "the default branch has no commits; collected the only other one, main" in " ".join(done.output.split())
        assert versions(ready) == [commit]

    def test_statistics_left_out(self, ready: Agent, repository: Repository) -> None:
        repository.commit("one", {"a": "1"})
        with git_daemon(repository.path.parent) as port:
            (ready.home / "credentials.cfg").write_text(f"[127.0.0.1:{port}]\nskip_stats=true\n")
            done = ready.scrape("--source", f"git=git://127.0.0.1:{port}/repository")
        assert done.status == 0, done
        (row,) = table(ready, "data_vcs_versions")
        assert not {"insertions", "deletions", "number_of_files", "number_of_lines", "size", "branch"} & set(row)
        assert table(ready, "data_change_path") == []

    @pytest.mark.parametrize("filters", [True, False])
    @pytest.mark.parametrize("tagged_folder", [True, False])
    def test_statistics_left_out_needs_no_files(
        self, ready: Agent, tmp_path: Path, *, filters: bool, tagged_folder: bool
    ) -> None:
        """The clone has the mailmap and no other file, if the other side can leave files out."""
        repository = exotic(tmp_path / "origins" / "repository")
        repository.git("config", "uploadpack.allowFilter", str(filters).lower())
        if not tagged_folder:  # git can't do without
            repository.git("tag", "-d", "tree")
        with git_daemon(repository.path.parent) as port:
            source = ["--source", f"git:name=git://127.0.0.1:{port}/repository"]
            assert ready.scrape(*source).status == 0
            whole = {"versions": table(ready, "data_vcs_versions"), "tags": table(ready, "data_tag")}
            shutil.rmtree(ready.home / "state" / "repos")
            (ready.home / "credentials.cfg").write_text(f"[127.0.0.1:{port}]\nskip_stats=true\n")
            done = ready.scrape(*source, "--full")
            assert done.status == 0, done
            (clone,) = (ready.home / "state" / "repos" / "TEST").iterdir()
            objects = repository.git("--git-dir", str(clone), "cat-file", "--batch-check", "--batch-all-objects")
            kinds = Counter(line.split()[1] for line in objects.splitlines())
            if filters and not tagged_folder:  # the newest tree, the mailmap, and a file that is tagged
                assert (kinds["tree"], kinds["blob"]) == (1, 2)
            assert kinds["commit"] == repository.count()
            assert str(port) not in (clone / "config").read_text()
            left_out = {"insertions", "deletions", "number_of_files", "number_of_lines", "size", "branch"}
            assert table(ready, "data_vcs_versions") == [
                {name: value for name, value in row.items() if name not in left_out} for row in whole["versions"]
            ]
            assert table(ready, "data_tag") == whole["tags"]
            # what is new comes to it, and a switch that is put back brings the files
            second = repository.commit("two", {"a": "2"})
            assert ready.scrape(*source).status == 0
            assert versions(ready) == [second]
            (ready.home / "credentials.cfg").unlink()
            assert ready.scrape(*source, "--full").status == 0
        assert table(ready, "data_vcs_versions")[:-1] == whole["versions"]

    @pytest.mark.parametrize("with_tags", [True, False])
    def test_a_clone_that_is_gone_is_not_made_for_nothing(
        self, ready: Agent, repository: Repository, *, with_tags: bool
    ) -> None:
        """An up-to-date repository costs one question; where it has tags, they alone are fetched."""
        repository.commit("one", {"a": "x" * 100_000, ".mailmap": "New <new@n.example> <carl@committer.example>\n"})
        repository.commit("two", {"b": "y" * 100_000})
        if with_tags:
            repository.git("tag", "light")
            repository.git("tag", "-a", "heavy", "-m", "words", "HEAD~1")
        source = ("--source", f"git:name={repository.path}")
        assert ready.scrape(*source, variables={"cleanupRepos": "true"}).status == 0
        tags = table(ready, "data_tag")
        assert len(tags) == 2 * with_tags
        trace = ready.home / "trace"
        done = ready.scrape(*source, variables={"GIT_TRACE2_EVENT": str(trace)})
        assert done.status == 0
        assert versions(ready) == []
        assert table(ready, "data_tag") == tags
        assert not list((ready.home / "state" / "repos" / "TEST").iterdir())
        third = repository.commit("three", {"b": "z"})
        assert ready.scrape(*source).status == 0
        assert versions(ready) == [third]

    def test_shallow_repository(self, ready: Agent, tmp_path: Path) -> None:
        repository = linear_history(tmp_path / "long", 10)
        shallow = Repository.make(tmp_path / "shallow")
        shallow.git("fetch", "--quiet", "--depth=3", repository.url, "main:main", "--update-head-ok")
        done = ready.scrape("--source", f"git={shallow.path}")
        assert done.status == 0, done
        assert versions(ready) == repository.git("rev-list", "--reverse", "HEAD~3..HEAD").splitlines()
        assert "the repository is shallow" in " ".join(done.output.split())

    def test_repository_with_sha256(self, ready: Agent, tmp_path: Path) -> None:
        repository = Repository.make(tmp_path / "sha256", "--object-format=sha256")
        commits = [repository.commit(str(number), {"a": str(number)}) for number in range(2)]
        repository.git("checkout", "--quiet", "--detach")
        repository.git("tag", "-a", "v1", "-m", "first")
        assert ready.scrape("--source", f"git={repository.path}").status == 0
        assert versions(ready) == commits
        assert table(ready, "data_change_path")[1]["size"] == "1"
        assert table(ready, "data_tag")[0]["version_id"] == commits[-1]

    def test_deleted_tag_is_gone(self, ready: Agent, repository: Repository) -> None:
        repository.commit("one", {"a": "1"})
        repository.git("tag", "v1")
        ready.scrape("--source", f"git={repository.path}")
        repository.git("tag", "-d", "v1")
        ready.scrape("--source", f"git={repository.path}")
        assert table(ready, "data_tag") == []

    def test_a_clone_whose_making_was_interrupted(self, ready: Agent, repository: Repository) -> None:
        """git makes HEAD before the configuration."""
        repository.commit("one", {"a": "1"})
        ready.scrape("--source", f"git={repository.path}")
        (clone,) = (ready.home / "state" / "repos" / "TEST").iterdir()
        for path in clone.iterdir():
            if path.name != "HEAD":
                shutil.rmtree(path) if path.is_dir() else path.unlink()
        second = repository.commit("two", {"a": "2"})
        done = ready.scrape("--source", f"git={repository.path}")
        assert done.status == 0, done
        assert versions(ready) == [second]

    def test_a_damaged_clone_is_made_anew(self, ready: Agent, repository: Repository) -> None:
        repository.commit("one", {"a": "1"})
        ready.scrape("--source", f"git={repository.path}")
        (clone,) = (ready.home / "state" / "repos" / "TEST").iterdir()
        shutil.rmtree(clone / "objects")
        (clone / "objects").mkdir()
        second = repository.commit("two", {"a": "2"})
        done = ready.scrape("--source", f"git={repository.path}")
        assert done.status == 0, done
        assert second in versions(ready)

    def test_clones_are_removed_on_request(self, ready: Agent, repository: Repository) -> None:
        repository.commit("one", {"a": "1"})
        ready.scrape("--source", f"git={repository.path}", variables={"cleanupRepos": "true"})
        assert list((ready.home / "state" / "repos" / "TEST").iterdir()) == []


class TestSourcesThatChange:
    """The local clone is brought in line with a source that is of another kind than before."""

    def test_a_shallow_source_that_was_completed(self, ready: Agent, tmp_path: Path) -> None:
        whole = linear_history(tmp_path / "whole", 4)
        source = Repository.make(tmp_path / "source")
        source.git("fetch", "--quiet", "--depth=2", whole.url, "main:main", "--update-head-ok")
        first = Batch.collected(ready, f"git={source.path}")
        assert len(first.commits) == 2
        source.git("fetch", "--quiet", "--unshallow", whole.url, "main:main", "--update-head-ok")
        second = Batch.collected(ready, f"git={source.path}")
        assert second.commits == whole.git("rev-list", "--reverse", "main").split()
        assert "was shallow, and is whole now" in " ".join(second.output.split())
        assert "the repository is shallow" not in second.output
        third = Batch.collected(ready, f"git={source.path}")
        assert not third.commits
        assert "repository" not in third.output

    @pytest.mark.parametrize("lost", ["the batch", "the clone"])
    def test_one_that_was_completed_for_a_run_that_ended_there(self, ready: Agent, tmp_path: Path, lost: str) -> None:
        """A run that was killed has fetched all, and published nothing; a clone may be removed after each."""
        whole = linear_history(tmp_path / "whole", 4)
        source = Repository.make(tmp_path / "source")
        source.git("fetch", "--quiet", "--depth=2", whole.url, "main:main", "--update-head-ok")
        Batch.collected(ready, f"git={source.path}")
        source.git("fetch", "--quiet", "--unshallow", whole.url, "main:main", "--update-head-ok")
        (clone,) = (one for one in (ready.home / "state" / "repos" / "TEST").iterdir() if one.is_dir())
        if lost == "the batch":
            source.git("-C", str(clone), "fetch", "--quiet", "--unshallow", whole.url)
            assert not (clone / "shallow").exists()
        else:
            shutil.rmtree(clone)
        assert (
            Batch.collected(ready, f"git={source.path}").commits == whole.git("rev-list", "--reverse", "main").split()
        )
        assert not Batch.collected(ready, f"git={source.path}").commits

    def test_a_shallow_source_that_stays_so(self, ready: Agent, tmp_path: Path) -> None:
        whole = linear_history(tmp_path / "whole", 4)
        source = Repository.make(tmp_path / "source")
        source.git("fetch", "--quiet", "--depth=2", whole.url, "main:main", "--update-head-ok")
        for expected in (2, 0):
            batch = Batch.collected(ready, f"git={source.path}")
            assert len(batch.commits) == expected
            assert "the repository is shallow" in " ".join(batch.output.split())
        source.commit("more", {"more": "x"})
        assert len(Batch.collected(ready, f"git={source.path}").commits) == 1

    @pytest.mark.parametrize("kinds", [("sha1", "sha256"), ("sha256", "sha1")])
    def test_a_source_that_was_made_anew_with_other_hashes(
        self, ready: Agent, tmp_path: Path, kinds: tuple[str, str]
    ) -> None:
        place = tmp_path / "source"
        for kind in kinds:
            shutil.rmtree(place, ignore_errors=True)
            source = Repository.make(place, f"--object-format={kind}")
            source.commit("one", {"a": "1"})
            batch = Batch.collected(ready, f"git={source.path}")
            assert batch.commits == [source.head]
        assert "is gone: everything was collected again" in " ".join(batch.output.split())

    def test_a_bundle(self, ready: Agent, tmp_path: Path) -> None:
        """A file that carries a history to where there is no connection; a newer one brings what is new."""
        source = linear_history(tmp_path / "source", 3)
        bundle = tmp_path / "a %20 carried.bundle"
        source.git("tag", "v1")
        for expected in (3, 0, 1):
            if expected == 1:
                source.commit("more", {"more": "x"})
            source.git("bundle", "create", "--quiet", str(bundle), "HEAD", "main", "--tags")
            batch = Batch.collected(ready, f"git:code={bundle}")
            assert len(batch.commits) == expected
            assert [row["tag_name"] for row in table(ready, "data_tag")] == ["v1"]

    @pytest.mark.parametrize("seconds", [-100_000, -1, 0, 99_999_999_999_999])
    def test_dates_of_tags_are_read_as_those_of_commits(
        self, ready: Agent, repository: Repository, seconds: int
    ) -> None:
        commit = repository.commit("one", {"a": "1"})
        raw = f"object {commit}\ntype commit\ntag t\ntagger A <a@x.example> {seconds} +0000\n\nm\n".encode()
        made = repository.git("hash-object", "-t", "tag", "-w", "--stdin", "--literally", stdin=raw)
        repository.git("update-ref", "refs/tags/t", made)
        batch = Batch.collected(ready, f"git={repository.path}")
        (tag,) = table(ready, "data_tag")
        beyond = seconds > 10**12
        moment = datetime.fromtimestamp(0 if beyond else seconds, UTC).isoformat(" ")[:19]
        assert tag["tagged_date"] == ("9999-12-31 23:59:59" if beyond else moment)
        assert ("1 moments could not be read" in " ".join(batch.output.split())) is beyond


def in_shell(agent: Agent, line: str) -> subprocess.CompletedProcess[str]:
    """Run a line of bash where an agent's commands run."""
    command = ["bash", "-c", line]
    return subprocess.run(
        command, cwd=agent.home, env=agent.environment(), capture_output=True, text=True, check=False, timeout=60
    )


class TestOutput:
    """What the terminal can't show changes neither what was published nor the status."""

    @pytest.mark.parametrize("options", [(), ("--json",), ("--dry-run",)])
    @pytest.mark.parametrize("encoding", ["ascii", "iso-8859-1"])
    def test_letters_that_the_terminal_lacks(
        self, ready: Agent, repository: Repository, options: tuple[str, ...], encoding: str
    ) -> None:
        repository.commit("one", {"a": "1"})
        source = f"git:Ko\u0142\u0142o={repository.path}"
        done = ready.scrape("--source", source, *options, variables={"PYTHONIOENCODING": encoding})
        assert done.status == 0, done
        # Click takes a terminal that says ASCII for one that is set up badly, and writes UTF-8 to it
        assert "\\u0142" in done.output or (options == ("--json",) and encoding == "ascii")
        assert "mistake" not in done.errors
        if "--dry-run" not in options:
            assert (ready.export() / ".batch.json").exists(), "the next scrape need not finish this one"

    @pytest.mark.parametrize("options", [(), ("--json",)])
    def test_nobody_reads(self, ready: Agent, repository: Repository, options: tuple[str, ...]) -> None:
        """A reader that is gone, a full disk, no standard output at all: the next scrape goes on as if it was told."""
        repository.commit("one", {"a": "1"})
        command = [sys.executable, "-m", "gros_agent", "scrape", "--project", "TEST", *options]
        command += ["--source", f"git:code={repository.path}"]
        script = shlex.join(command)
        gone = f"{script} | true; exit ${{PIPESTATUS[0]}}"
        for number, line in enumerate((gone, f"{script} >/dev/full", f"{script} >&-", f"{script} >&- 2>&-")):
            repository.commit(f"commit {number}", {"a": str(number)})
            done = in_shell(ready, line)
            assert done.returncode == 0, (line, done.stderr)
            assert "mistake" not in done.stderr
            assert len(versions(ready)) == (2 if number == 0 else 1), line

    def test_a_log_that_can_not_be_written(self, ready: Agent, repository: Repository) -> None:
        repository.commit("one", {"a": "1"})
        ready.export().mkdir(parents=True)
        (ready.export() / "scrape.log").symlink_to("/dev/full")
        done = ready.scrape("--source", f"git:code={repository.path}")
        assert done.status == 0, done
        assert done.errors.count("scrape.log is incomplete: No space left on device") == 1
        assert "Traceback" not in done.errors
        assert len(versions(ready)) == 1

    def test_what_only_shows_fails_in_words(self, ready: Agent) -> None:
        command = f"{shlex.quote(sys.executable)} -m gros_agent config show >/dev/full"
        done = in_shell(ready, command)
        assert done.returncode == 1
        assert "the output can't be written: No space left on device" in done.stderr
        assert "mistake" not in done.stderr


class TestPrivateState:
    @pytest.mark.parametrize("mask", [0o000, 0o022])
    def test_made_for_its_owner_alone(self, ready: Agent, repository: Repository, mask: int) -> None:
        repository.commit("one", {"a": "1"})
        script = f"umask {mask:03o}; exec {shlex.quote(sys.executable)} -m gros_agent scrape --project TEST"
        line = f"{script} --source {shlex.quote(f'git:code={repository.path}')}"
        in_shell(ready, line).check_returncode()
        assert stat.S_IMODE((ready.home / "state").stat().st_mode) == 0o700

    @pytest.mark.parametrize("command", ["scrape", "run"])
    def test_closed_where_it_was_open(self, ready: Agent, repository: Repository, command: str) -> None:
        repository.commit("one", {"a": "1"})
        (ready.home / "state").mkdir(mode=0o755)
        shown = ready("preflight", "--project", "TEST", "--no-ssh", "--json")
        assert "is open to others (mode 755" in shown.output
        assert stat.S_IMODE((ready.home / "state").stat().st_mode) == 0o755, "preflight changes nothing"
        ready(command, "--project", "TEST", "--source", f"git:code={repository.path}")
        assert stat.S_IMODE((ready.home / "state").stat().st_mode) == 0o700


class TestNames:
    """The importer compares names of repositories without regard to case, and has their addresses from the list."""

    def test_names_that_differ_in_case(self, ready: Agent, tmp_path: Path) -> None:
        """Each is a repository of its own, under the same name in each scrape, in the tables and in the list."""
        made = {name: Repository.make(tmp_path / number / name) for number, name in (("1", "Code"), ("2", "code"))}
        for name, one in made.items():
            one.commit(name, {name: "x"})
        ready.export().mkdir(parents=True)
        listed = ready.export() / "data_sources.json"
        rows = [{"type": "git", "name": name, "url": one.url} for name, one in made.items()]
        listed.write_text(json.dumps(rows))
        first = ready.scrape()
        assert first.status == 0, first
        names = {row["repo_name"] for row in table(ready, "data_vcs_versions")}
        assert len({name.upper() for name in names}) == len(names) == 2
        assert "Code" in names
        assert {row["name"]: row["url"] for row in json.loads(listed.read_text())}["Code"] == made["Code"].url
        assert {row["name"] for row in json.loads(listed.read_text())} == names
        second = ready.scrape()
        assert second.status == 0, second
        assert not table(ready, "data_vcs_versions")
        tracker = json.loads((ready.export() / "latest_vcs_versions.json").read_text())
        assert set(tracker) == names

    def test_sources_of_options_are_on_the_list_of_their_batch(self, ready: Agent, tmp_path: Path) -> None:
        """And are not collected by themselves in the next scrape."""
        one, other = (Repository.make(tmp_path / name) for name in ("one", "other"))
        for repository in (one, other):
            repository.commit("first", {"a": "1"})
        ready.export().mkdir(parents=True)
        listed = ready.export() / "data_sources.json"
        mine = {"type": "git", "name": "one", "url": one.url}
        listed.write_text(json.dumps([mine]))
        assert ready.scrape("--source", f"git:ONE={other.path}").status == 0
        rows = json.loads(listed.read_text())
        assert rows[0] == mine
        assert [row["url"] for row in rows] == [one.url, other.url]
        names = {row["repo_name"] for row in table(ready, "data_vcs_versions")}
        assert {row["name"] for row in rows} == names
        one.commit("second", {"a": "2"})
        other.commit("second", {"a": "2"})
        assert ready.scrape().status == 0
        assert {row["repo_name"] for row in table(ready, "data_vcs_versions")} == {"one"}
        assert json.loads(listed.read_text()) == [mine]

    def test_no_source_is_version_control(self, ready: Agent) -> None:
        """The importer fails where the file of commits is missing."""
        with serving(Jenkins().replay) as replay:
            assert ready.scrape("--source", f"jenkins={replay.url}").status == 0
        assert (ready.export() / "data_vcs_versions.json").read_text() == "[]\n"


class TestErrors:
    """What must be an error says what is wrong and what to do, with the right status, and changes nothing."""

    @pytest.mark.parametrize(
        ("arguments", "status", "words"),
        [
            (("--project", "TEST1"), 7, "is not a project key"),
            (("--project", "test"), 7, "was TEST meant?"),
            (("--project", "OTHER"), 7, "project OTHER is not known here"),
            (("--project", "TEST", "--source", "git"), 7, "write TYPE=URL"),
            (("--project", "TEST", "--source", "cvs=http://x/"), 7, "there is no type 'cvs'"),
            (("--project", "TEST", "--source", "git=ext::sh -c x"), 7, "transport is not allowed"),
            (("--project", "TEST", "--source", "git=--upload-pack=x"), 7, "is not a URL"),
            (("--project",), 2, "requires an argument"),
            (("--no-such-option",), 2, "No such option"),
            ((), 7, "no project is named"),
        ],
    )
    def test_arguments(self, ready: Agent, arguments: tuple[str, ...], status: int, words: str) -> None:
        done = ready("scrape", *arguments)
        assert (done.status, words in done.errors + done.output) == (status, True), done
        assert "Traceback" not in done.errors
        assert not (ready.home / "export").exists()

    def test_no_secrets(self, agent: Agent, repository: Repository) -> None:
        repository.commit("one", {"a": "1"})
        done = agent.scrape("--source", f"git={repository.path}", "--no-ssh", variables={"SSH_HOST": "c.example"})
        assert done.status == 7
        assert "has no secrets, so nothing is written" in done.output
        assert not list(agent.export().glob("*.json"))

    @pytest.mark.parametrize(
        "content", ["{", '{"salts": {"salt": "a"}}', '{"salts": {"salt": "", "pepper": "b"}}', "[]"]
    )
    def test_damaged_secrets(self, ready: Agent, repository: Repository, content: str) -> None:
        repository.commit("one", {"a": "1"})
        (ready.home / "secrets" / "TEST.json").write_text(content)
        done = ready.scrape("--source", f"git={repository.path}", "--no-secrets")
        assert done.status == 7
        assert str(ready.home / "secrets" / "TEST.json") in " ".join(done.output.split())

    def test_all_bad_settings_at_once(self, ready: Agent) -> None:
        (ready.home / "env").write_text('JIRA_KEY="TEST"\nthis is no line\nA=\'b"\n')
        (ready.home / "settings.cfg").write_text("[ssh]\nhost=a\nhost=b\n")
        done = ready.scrape(variables={"CRON_PERIOD": "never"})
        assert done.status == 7
        for words in (f"{ready.home}/env:2:", f"{ready.home}/env:3:", "settings.cfg:3:", "CRON_PERIOD"):
            assert words in done.errors

    def test_list_of_sources_is_damaged(self, ready: Agent) -> None:
        ready.export().mkdir(parents=True)
        (ready.export() / "data_sources.json").write_text('[{"type": "git", "name": "x"}]')
        done = ready.scrape()
        assert done.status == 7
        assert "data_sources.json: the list of sources is damaged" in done.output

    @pytest.mark.parametrize("content", ["", "[]", '{"a": 1}', '{"repository": "no commit"}'])
    def test_damaged_tracker(self, ready: Agent, repository: Repository, content: str) -> None:
        repository.commit("one", {"a": "1"})
        ready.export().mkdir(parents=True)
        tracker = ready.export() / "latest_vcs_versions.json"
        tracker.write_text(content)
        done = ready.scrape("--source", f"git={repository.path}")
        assert done.status == (3 if "no commit" in content else 7)
        assert "tracker" in done.output
        assert tracker.read_text() == content

    def test_missing_repository(self, ready: Agent, tmp_path: Path) -> None:
        done = ready.scrape("--source", f"git={tmp_path / 'nowhere'}")
        assert done.status == 3
        assert "there is no such repository" in done.output

    def test_unreachable_repository(self, ready: Agent) -> None:
        done = ready.scrape("--source", "git=http://127.0.0.1:1/x.git")
        assert done.status == 3
        assert "the repository's host can't be reached" in done.output

    def test_hanging_repository(self, ready: Agent) -> None:
        with socket.create_server(("127.0.0.1", 0)) as server:
            port = server.getsockname()[1]
            done = ready.scrape("--source", f"git=git://127.0.0.1:{port}/x", "--timeout", "1")
        assert done.status == 3
        assert "was silent for 1 s" in done.output

    def test_a_failed_source_does_not_stop_the_others(self, ready: Agent, repository: Repository) -> None:
        commit = repository.commit("one", {"a": "1"})
        sources = (
            "--source",
            "git:bad=/nowhere",
            "--source",
            f"git:good={repository.path}",
            "--source",
            "tfvc=http://x/",
        )
        done = ready.scrape(*sources)
        assert done.status == 3
        assert versions(ready) == [commit]
        assert json.loads((ready.export() / "latest_vcs_versions.json").read_text()) == {"good": commit}
        assert "collects no sources of type tfvc" in " ".join(done.output.split())

    def test_all_sources_failed_changes_nothing(self, ready: Agent, repository: Repository) -> None:
        commit = repository.commit("one", {"a": "1"})
        ready.scrape("--source", f"git={repository.path}")
        assert ready.scrape("--source", "git=/nowhere").status == 3
        assert versions(ready) == [commit]

    def test_two_sources_of_one_name(self, ready: Agent, repository: Repository) -> None:
        done = ready.scrape("--source", f"git:x={repository.path}", "--source", "git:x=/elsewhere")
        assert done.status == 7
        assert "2 sources are called 'x'" in done.output

    def test_second_scrape_of_a_project(self, ready: Agent, repository: Repository) -> None:
        repository.commit("one", {"a": "1"})
        ready.export().mkdir(parents=True)
        with (ready.export() / ".lock").open("w") as lock:
            lock.write("process 4711 on here\n")
            lock.flush()
            fcntl.flock(lock, fcntl.LOCK_EX)
            done = ready.scrape("--source", f"git={repository.path}")
        assert done.status == 5
        assert "another scrape of TEST is running (process 4711 on here)" in done.output

    def test_worst_of_several_projects(self, ready: Agent, repository: Repository) -> None:
        repository.commit("one", {"a": "1"})
        (ready.home / "settings.cfg").write_text(
            "[ssh]\nhost.NOSECRETS = controller.example\n"
        )  # which did not answer yet
        projects = ("--project", "NOSECRETS", "--project", "TEST")
        done = ready("scrape", *projects, "--no-ssh", "--source", f"git={repository.path}")
        assert done.status == 7
        assert len(versions(ready)) == 1

    def test_interrupted(self, ready: Agent) -> None:
        with socket.create_server(("127.0.0.1", 0)) as server:
            url = f"git=git://127.0.0.1:{server.getsockname()[1]}/x"
            process = ready.start("scrape", "--project", "TEST", "--source", url)
            connection, _ = server.accept()
            process.send_signal(signal.SIGINT)
            _, errors = process.communicate(timeout=20)
            connection.close()
        assert process.returncode == 130
        assert "interrupted" in errors
        assert not list(ready.export().glob(".staging-*"))

    def test_traceback_with_debug_alone(self, ready: Agent) -> None:
        for level, shown in (("INFO", False), ("DEBUG", True)):
            done = ready("--log", level, "scrape", "--project", "bad")
            assert done.status == 7
            assert ("Traceback" in done.errors) == shown


class TestDisk:
    def test_full(self, ready: Agent, tmp_path: Path) -> None:
        repository = linear_history(tmp_path / "long", 2000)
        ready.export().mkdir(parents=True)
        script = "mount -t tmpfs -o size=256k none export"
        done = in_namespace(ready, script, "scrape", "--project", "TEST", "--source", f"git={repository.path}")
        assert done.status == 1
        assert "the disk is full" in done.output
        assert "Traceback" not in done.errors

    def test_full_for_the_clone(self, ready: Agent, tmp_path: Path) -> None:
        repository = Repository.make(tmp_path / "large")
        repository.commit("one", {"a": random.Random(1).randbytes(2 << 20)})
        (ready.home / "state" / "repos").mkdir(parents=True)
        script = "mount -t tmpfs -o size=512k none state/repos"
        done = in_namespace(ready, script, "scrape", "--project", "TEST", "--source", f"git={repository.path}")
        assert done.status == 3
        assert "the disk is full" in done.output

    def test_read_only(self, ready: Agent, repository: Repository) -> None:
        repository.commit("one", {"a": "1"})
        ready.export().mkdir(parents=True)
        script = "mount --bind export export; mount -o remount,ro,bind export"
        done = in_namespace(ready, script, "scrape", "--project", "TEST", "--source", f"git={repository.path}")
        assert done.status == 7
        assert "can't be written: Read-only file system" in " ".join(done.output.split())


class TestLogFile:
    def test_ends_with_the_status(self, ready: Agent, repository: Repository) -> None:
        repository.commit("one", {"a": "1"})
        for source, status in ((f"git={repository.path}", 0), ("git=/nowhere", 3)):
            assert ready.scrape("--source", source).status == status
            lines = (ready.export() / "scrape.log").read_text().splitlines()
            assert all(re.match(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3}:[A-Z]+:", line) for line in lines)
            assert lines[-1].endswith(f":Process ended with status code {status}")
            assert len(lines) > 1


class TestDelivery:
    def test_a_batch_for_a_controller_is_not_replaced(self, ready: Agent, repository: Repository) -> None:
        variables = {"SSH_HOST": "controller.example", "GROS_AGENT_NO_SSH": "1"}
        first = repository.commit("one", {"a": "1"})
        source = ("--source", f"git={repository.path}")
        assert ready.scrape(*source, variables=variables).status == 0
        second = repository.commit("two", {"a": "2"})
        done = ready("scrape", *source, variables=variables | {"JIRA_KEY": "TEST"})
        assert done.status == 0
        assert "1 earlier batch waits in the outbox" in " ".join(done.output.split())
        assert versions(ready) == [second]
        done = ready("scrape", *source, "--discard", variables=variables | {"JIRA_KEY": "TEST"})
        assert done.status == 0
        assert versions(ready) == [second]
        (kept,) = (ready.home / "state" / "outbox" / "TEST").iterdir()
        assert [row["version_id"] for row in json.loads((kept / "data_vcs_versions.json").read_text())] == [first]

    def test_own_secrets_are_for_projects_without_controller(self, agent: Agent, repository: Repository) -> None:
        repository.commit("one", {"a": "1"})
        source = ("--source", f"git={repository.path}", "--make-secrets")
        assert agent.scrape(*source, variables={"SSH_HOST": "controller.example", "GROS_AGENT_NO_SSH": "1"}).status == 7
        assert not (agent.home / "secrets").exists()
        assert agent.scrape(*source).status == 0
        path = agent.home / "secrets" / "TEST.json"
        assert path.stat().st_mode & 0o777 == 0o600
        before = path.read_bytes()
        assert agent.scrape(*source).status == 0
        assert path.read_bytes() == before


class TestDryRun:
    def test_writes_nothing(self, agent: Agent, repository: Repository) -> None:
        repository.commit("one", {"a": "1"})
        done = agent.scrape("--source", f"git={repository.path}", "--dry-run")
        assert done.status == 0
        assert list(agent.home.iterdir()) == []
        lines = [line.split() for line in done.output.splitlines()]
        assert ["data_vcs_versions:", "1", "rows"] in lines
        developer = next(line for line in lines if line[:1] == ["developer"])
        assert developer[1:4] == ["pseudonym", "Ada", "Author"]
        assert "these pseudonyms are examples" in done.output

    def test_says_what_leaves_as_it_is(self, agent: Agent, repository: Repository) -> None:
        repository.commit("one", {"a": "1"})
        done = agent.scrape("--source", f"git={repository.path}", "--dry-run", "--no-secrets", "--json")
        (content,) = json.loads(done.output)
        fields = content["tables"][0]["fields"]
        assert fields["developer"]["treatment"] == "AS IT IS, A PERSON'S"
        assert fields["message"]["treatment"].startswith("as it is; free text")
        assert fields["commit_date"]["treatment"] == "as it is"

    def test_fields_left_out(self, agent: Agent, repository: Repository) -> None:
        repository.commit("one", {"a": "1"})
        with git_daemon(repository.path.parent) as port:
            (agent.home / "credentials.cfg").write_text("[127.0.0.1]\nskip_stats=true\n")
            url = f"git=git://127.0.0.1:{port}/repository"
            done = agent.scrape("--source", url, "--dry-run", "--json")
        fields = json.loads(done.output)[0]["tables"][0]["fields"]
        assert fields["insertions"]["treatment"] == "not at all"


HIDDEN = {".lock", ".batch.json", ".data_sources.json"}
"""What lies beside the tables of a project when all is done."""


class TestCrash:
    """A killed scrape leaves the old state or the new, and the next one goes on."""

    @pytest.mark.slow
    def test_killed_at_any_moment(self, ready: Agent, tmp_path: Path, draw: Sample) -> None:
        repository = linear_history(tmp_path / "long", 1500)
        commits = repository.git("rev-list", "--reverse", "--topo-order", "HEAD").splitlines()
        source = ("--source", f"git={repository.path}")
        started = time.monotonic()
        assert ready.scrape(*source).status == 0
        duration = time.monotonic() - started
        chance = draw.chance("scrape")
        moments = draw.times(8, 50)
        killed = 0
        for _ in range(moments):
            shutil.rmtree(ready.home / "export")
            if chance.random() < 0.5:
                shutil.rmtree(ready.home / "state", ignore_errors=True)
            process = ready.start("scrape", "--project", "TEST", *source)
            time.sleep(chance.uniform(0, duration))
            process.kill()
            output, _ = process.communicate()
            killed += process.returncode == -signal.SIGKILL
            for path in ready.export().glob("*.json"):
                json.loads(path.read_text())
            told = "rows in" in output  # then it was complete, and the next one has nothing new
            assert not told or versions(ready) == commits
            done = ready.scrape(*source)
            assert done.status == 0, done
            assert versions(ready) == ([] if told else commits)
            for path in ready.export().glob("*.json"):
                json.loads(path.read_text())
            assert json.loads((ready.export() / "latest_vcs_versions.json").read_text()) == {"long": commits[-1]}
            hidden = {path.name for path in ready.export().iterdir() if path.name.startswith(".")}
            assert hidden == HIDDEN
        assert killed > moments / 4

    def test_killed_with_a_controller(self, ready: Agent, repository: Repository) -> None:
        """Nothing replaces a batch that waits for its delivery, not even after a crash."""
        commits = [repository.commit(str(number), {"a": str(number)}) for number in range(4)]
        variables = {"SSH_HOST": "controller.example", "GROS_AGENT_NO_SSH": "1"}
        source = ("--source", f"git={repository.path}")
        assert ready.scrape(*source, variables=variables).status == 0
        folder = ready.export()
        publishing = folder / ".publishing"
        publishing.mkdir()
        (folder / ".batch.json").rename(publishing / "manifest.json")
        (folder / "data_vcs_versions.json").rename(publishing / "data_vcs_versions.json")
        done = ready.scrape(*source, variables=variables)
        assert done.status == 0
        assert "finished a scrape of" in done.output
        assert versions(ready) == commits
        assert Counter(path.name for path in folder.glob(".*")) == Counter(HIDDEN)
        assert ready("scrape", "--project", "TEST", *source, variables=variables).status == 0
        (kept,) = (ready.home / "state" / "outbox" / "TEST").iterdir()
        assert [row["version_id"] for row in json.loads((kept / "data_vcs_versions.json").read_text())] == commits


class TestKilledWhileItFetches:
    """The next scrape is complete, and nothing is left of the one before: no files, and no git that runs on."""

    HALF = 1_000_000
    """Bytes on the way that are not all of it; git keeps them in a temporary file."""

    @pytest.fixture
    def origin(self, tmp_path: Path) -> Repository:
        """A repository that takes some megabytes on its way, with a mailmap and a tag."""
        origin = Repository.make(tmp_path / "origins" / "large")
        origin.git("config", "uploadpack.allowFilter", "true")
        origin.write({".mailmap": "Mapped <mapped@m.example> <ada@author.example>\n"})
        for number in range(40):
            origin.commit(str(number), {f"file{number}": random.Random(number).randbytes(50_000)})
        origin.git("tag", "-a", "v1", "-m", "one")
        return origin

    def kill(self, agent: Agent, between: Proxy, *arguments: str, variables: Mapping[str, str] | None = None) -> None:
        """Start a scrape, and kill it when its connection has come to rest."""
        running = agent.start("scrape", "--project", "TEST", *arguments, variables=variables)
        wait_until(lambda: between.struck or running.poll() is not None)
        if between.fault and between.fault.at == self.HALF:
            wait_until(lambda: list(agent.home.glob("state/repos/TEST/*/objects/pack/tmp_pack_*")))
        wait_until(lambda: are_at_rest(agent) or running.poll() is not None)
        running.kill()
        running.communicate()
        assert running.returncode == -signal.SIGKILL
        assert not (agent.export() / "data_vcs_versions.json").exists()

    def check(self, agent: Agent, origin: Repository, *, files: bool = True) -> None:
        assert versions(agent) == origin.git("rev-list", "--reverse", "--topo-order", "HEAD").splitlines()
        assert {row["developer"] for row in table(agent, "data_vcs_versions")} == {"Mapped"}
        changed = [(row["version_id"], row["file"]) for row in table(agent, "data_change_path")]
        wanted = [(row["version_id"], row["file"]) for row in reference.rows(origin.path, "HEAD", "code")[1]]
        assert changed == (wanted if files else [])
        assert [row["tag_name"] for row in table(agent, "data_tag")] == ["v1"]
        self.check_leftovers(agent)

    def check_leftovers(self, agent: Agent) -> None:
        (clone,) = (agent.home / "state" / "repos" / "TEST").iterdir()
        names = [path.name for path in clone.rglob("*")]
        assert not [name for name in names if re.search(r"\.lock$|\.keep$|\.new$|^tmp_|^shallow|^objects.", name)]
        assert {path.name for path in agent.export().glob(".*")} == HIDDEN
        assert programs_of(agent) == {}

    @pytest.mark.parametrize("options", ["", "skip_stats=true"])
    def test_git_runs_on(self, agent: Agent, origin: Repository, options: str) -> None:
        """Its connection stays open, and it waits for what never comes."""
        with git_daemon(origin.path.parent) as port, proxy(port) as between:
            (agent.home / "credentials.cfg").write_text(f"[127.0.0.1]\n{options}\n")
            source = ("--no-secrets", "--source", f"git:code=git://127.0.0.1:{between.port}/large")
            between.set(Fault("stall", 500 if options else self.HALF, "client", connection=2))
            self.kill(agent, between, *source)
            assert any(b"fetch" in program for program in programs_of(agent).values())
            assert agent.scrape(*source).status == 0
            self.check(agent, origin, files=not options)

    def test_over_http(self, agent: Agent, origin: Repository) -> None:
        with git_http(origin.path.parent, "reader", "right") as server, proxy(server.port) as between:
            (agent.home / "credentials.cfg").write_text("[127.0.0.1]\nusername=reader\npassword=right\n")
            source = ("--no-secrets", "--source", f"git:code=http://127.0.0.1:{between.port}/large")
            between.set(Fault("stall", self.HALF, "client"))
            self.kill(agent, between, *source)
            between.set(None)
            assert agent.scrape(*source).status == 0
            self.check(agent, origin)

    @pytest.mark.parametrize("connection", [3, 4])
    def test_before_the_mailmap_came(self, agent: Agent, origin: Repository, connection: int) -> None:
        """A clone without files has all commits and tags by then."""
        with git_daemon(origin.path.parent) as port, proxy(port) as between:
            (agent.home / "credentials.cfg").write_text("[127.0.0.1]\nskip_stats=true\n")
            source = ("--no-secrets", "--source", f"git:code=git://127.0.0.1:{between.port}/large")
            between.set(Fault("stall", 0, "client", connection=connection))
            self.kill(agent, between, *source)
            assert agent.scrape(*source).status == 0
            self.check(agent, origin, files=False)

    def test_clone_for_the_tags_alone(self, agent: Agent, origin: Repository) -> None:
        with git_daemon(origin.path.parent) as port, proxy(port) as between:
            source = ("--no-secrets", "--source", f"git:code=git://127.0.0.1:{between.port}/large")
            cleaned = {"cleanupRepos": "true"}
            assert agent.scrape(*source, variables=cleaned).status == 0
            for name in ("data_vcs_versions.json", "data_change_path.json", "data_tag.json"):
                (agent.export() / name).unlink(missing_ok=True)  # somebody fetched them
            between.set(Fault("stall", 1000, "client", connection=2))
            self.kill(agent, between, *source, variables=cleaned)
            assert list((agent.home / "state" / "repos" / "TEST").glob("*.temporary"))
            new = origin.commit("new")
            assert agent.scrape(*source).status == 0
        assert versions(agent) == [new]
        self.check_leftovers(agent)


def programs_of(agent: Agent) -> dict[Path, bytes]:
    """The programs that have a variable which names the agent's home: their folders in /proc and argument lists."""
    found = {}
    for path in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):  # it ended
            if str(agent.home).encode() in (path / "environ").read_bytes():
                found[path] = (path / "cmdline").read_bytes()
    return found


def are_at_rest(agent: Agent) -> bool:
    """Whether its programs have read all that came: all sleep, and none was awake between a first look and a second.

    One that still writes of its progress ends when nobody reads that any more.
    """

    def look() -> dict[Path, list[str]]:
        threads = [thread for path in programs_of(agent) for thread in (path / "task").iterdir()]
        texts = {thread: (thread / "status").read_text().splitlines() for thread in threads}
        return {thread: [line for line in lines if line.startswith(told)] for thread, lines in texts.items()}

    told = ("State", "voluntary_ctxt", "nonvoluntary_ctxt")
    try:
        first, second = look(), look()
    except OSError:  # one ended
        return False
    return first == second and {lines[0] for lines in second.values()} == {"State:\tS (sleeping)"}


def test_grows_while_it_is_collected(ready: Agent, tmp_path: Path) -> None:
    """Commits that come while a scrape runs are in this one or in the next, never lost or doubled."""
    repository = linear_history(tmp_path / "long", 500)
    repository.git("reset", "--quiet", "--hard")
    seen: list[str] = []
    stop = threading.Event()

    def grow() -> None:
        for number in range(25):
            if stop.is_set():
                return
            repository.commit(f"late {number}", {"late": str(number)})

    thread = threading.Thread(target=grow)
    thread.start()
    try:
        for _ in range(3):
            assert ready.scrape("--source", f"git={repository.path}").status == 0
            seen += versions(ready)
    finally:
        stop.set()
        thread.join()
    assert ready.scrape("--source", f"git={repository.path}").status == 0
    seen += versions(ready)
    assert seen == repository.git("rev-list", "--reverse", "HEAD").splitlines()

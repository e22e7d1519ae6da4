"""Every row of Subversion histories against what svn itself says, revision by revision, and what a scrape asks for."""

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from xml.etree.ElementTree import Element

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gros_agent.errors import SourceError
from gros_agent.sources.base import Context, SourceEntry
from gros_agent.sources.subversion import lines, log
from gros_agent.sources.subversion.changes import Changes, Layout, merged_revisions
from gros_agent.sources.subversion.client import Client
from gros_agent.sources.subversion.server import Server
from support import schemas
from support import subversion_reference as reference
from support.agent import Agent, Rows, give_secrets, table
from support.awkward import awkward
from support.hosts import host_with
from support.proxy import Fault, proxy
from support.subversion import RECORDINGS, SubversionRepository, layout, require, svnserve
from support.subversion_rows import check_rows, expected, hashed

pytestmark = pytest.mark.integration
DUMPS = sorted(path.stem for path in RECORDINGS.glob("*.svn"))


def tag_rows(repository: SubversionRepository) -> Rows:
    """What svn says of each tag, one call each."""
    found = []
    for tag in sorted(reference.parsed("svn", "list", "--xml", f"{repository.url}/tags").iter("entry"), key=_name):
        name = tag.findtext("name", "")
        url = f"{repository.url}/tags/{name}@"
        number = reference.parsed("svn", "info", "--xml", url).find("entry/commit")
        assert number is not None
        (entry,) = reference.parsed("svn", "log", "--xml", "-c", number.get("revision", ""), repository.url)
        found.append(
            {
                "repo_name": "name",
                "tag_name": name,
                "version_id": entry.get("revision"),
                "message": entry.findtext("msg") or "",
                "tagged_date": reference.moment(entry.findtext("date")),
                "tagger": hashed(entry.findtext("author") or "0"),
                "tagger_email": "0",
                "encrypted": "1",
            }
        )
    return found


def _name(entry: Element) -> str:
    return entry.findtext("name", "")


class TestRows:
    @pytest.mark.parametrize("dump", DUMPS)
    def test_recording(self, agent: Agent, tmp_path: Path, dump: str) -> None:
        """Real histories, behind Subversion's own server."""
        give_secrets(agent)
        repository = SubversionRepository.load(tmp_path / "served" / dump, RECORDINGS / f"{dump}.svn")
        with svnserve(tmp_path / "served") as port:
            check_rows(agent, repository, f"svn://127.0.0.1:{port}/{dump}")

    @pytest.mark.parametrize("dump", ["nut", "simpletag", "emptyfrom"])
    def test_tags(self, agent: Agent, tmp_path: Path, dump: str) -> None:
        give_secrets(agent)
        repository = SubversionRepository.load(tmp_path / dump, RECORDINGS / f"{dump}.svn")
        for option in ((), ("--full",)):
            if option:
                (agent.home / "credentials.cfg").write_text("[127.0.0.1]\nskip_stats=true\n")
            with svnserve(tmp_path) as port:
                assert agent.scrape("--source", f"subversion:name=svn://127.0.0.1:{port}/{dump}", *option).status == 0
            assert table(agent, "data_tag") == tag_rows(repository)

    def test_awkward(self, agent: Agent, tmp_path: Path) -> None:
        give_secrets(agent)
        repository = awkward(tmp_path / "awk ward@2")
        check_rows(agent, repository, str(repository.path))
        rows = {row["version_id"]: row for row in table(agent, "data_vcs_versions")}
        assert {number for number, row in rows.items() if row["type"] == "merge"} == {"22"}
        assert {number for number, row in rows.items() if row["type"] == "revert"} == {"23", "24"}
        assert {number for number, row in rows.items() if row["branch"] == "work"} == {"20", "21", "27"}
        assert rows["3"]["developer"] == rows["5"]["message"][:0] + "0"
        assert rows["4"]["commit_date"] == "1970-01-01 00:00:00"
        assert [row["tag_name"] for row in table(agent, "data_tag")] == ["note", "one", "two"]

    def test_awkward_kinds(self, agent: Agent, tmp_path: Path) -> None:
        """The decisions, in words: what is renamed, what a folder does to its files, what a branch is."""
        give_secrets(agent)
        assert agent.scrape("--source", f"subversion={awkward(tmp_path / 'awkward').path}").status == 0
        found: dict[str, dict[str, str]] = {}
        for row in table(agent, "data_change_path"):
            found.setdefault(row["version_id"], {})[row["file"]] = row["change_type"]
        assert found["11"] == {"trunk/moved": "R"}
        assert found["12"] == {"trunk/f/b": "R", "trunk/f/deep/e": "R", "trunk/d/c": "D"}
        assert found["13"] == {"trunk/u1": "R", "trunk/u2": "A"}
        assert found["15"] == {f"trunk/g/{name}": "A" for name in ("b", "deep/e", "new")}
        assert found["16"] == {"trunk/copy": "M"}
        assert found["17"] == {"trunk/copy": "D", "trunk/copy/in": "A"}
        assert "20" not in found
        assert "27" not in found
        assert found["25"] == {"tags/one/VERSION": "A", "tags/one/nul": "D"}

    def test_one_folder_of_a_repository(self, agent: Agent, tmp_path: Path) -> None:
        """A URL below the root has no trunk, branches and tags, and files are named as seen from it."""
        give_secrets(agent)
        repository = awkward(tmp_path / "awkward")
        done = agent.scrape("--source", f"subversion:name={repository.url}/trunk")
        assert done.status == 0, done
        versions, changes = expected(f"{repository.url}/trunk", 2)
        assert table(agent, "data_vcs_versions")[1:] == versions
        assert table(agent, "data_change_path") == changes
        assert table(agent, "data_tag") == []
        assert {row["branch"] for row in versions} == {"0"}

    def test_folder_that_was_moved(self, agent: Agent, tmp_path: Path) -> None:
        """What is older than its name is not in its log, and the outcome says where it is."""
        give_secrets(agent)
        repository = layout(tmp_path / "r")
        repository.commit(("mkdir", "projects"), ("mv", "trunk", "projects/main"))
        repository.commit(repository.put("projects/main/a", "one\n"))
        done = agent.scrape("--source", f"subversion:name={repository.url}/projects/main")
        assert done.status == 0, done
        assert "starts at revision 4; what is older lies in /trunk as of revision 3" in " ".join(done.output.split())
        assert [row["version_id"] for row in table(agent, "data_vcs_versions")] == ["4", "5"]
        (row,) = table(agent, "data_change_path")
        assert (row["file"], row["change_type"], row["insertions"], row["deletions"]) == ("a", "M", "0", "1")

    def test_layout_that_came_later(self, agent: Agent, tmp_path: Path) -> None:
        """A folder that becomes the trunk, and a trunk that becomes a folder, have their files renamed."""
        give_secrets(agent)
        repository = SubversionRepository.make(tmp_path / "r")
        repository.commit(("mkdir", "code"), repository.put("code/a", "one\n"), repository.put("code/b", "two\n"))
        repository.commit(("mv", "code", "trunk"), repository.put("trunk/b", "three\n"))
        repository.commit(("mkdir", "project"), ("mv", "trunk", "project/trunk"))
        assert agent.scrape("--source", f"subversion:name={repository.url}").status == 0
        rows = [tuple(row.values())[1:6] for row in table(agent, "data_change_path")][2:]
        assert rows == [
            ("2", "trunk/a", "R", "0", "0"),
            ("2", "trunk/b", "R", "1", "1"),
            ("3", "project/trunk/a", "R", "0", "0"),
            ("3", "project/trunk/b", "R", "0", "0"),
        ]

    def test_without_layout(self, agent: Agent, tmp_path: Path) -> None:
        give_secrets(agent)
        repository = SubversionRepository.make(tmp_path / "plain")
        repository.commit(repository.put("a", "1\n"), ("mkdir", "src"), repository.put("src/b", "1\n2\n"))
        repository.commit(("cp", "HEAD", "src", "copy"), repository.put("copy/b", "1\n3\n"))
        repository.commit(("mv", "src", "other"))
        check_rows(agent, repository, repository.url)
        assert table(agent, "data_tag") == []

    def test_empty_repository(self, agent: Agent, tmp_path: Path) -> None:
        give_secrets(agent)
        check_rows(agent, repository := SubversionRepository.make(tmp_path / "empty"), repository.url)

    def test_old_server(self, tmp_path: Path) -> None:
        """One that tells neither what a path is nor what of it changed leads to the same rows."""
        repository = awkward(tmp_path / "r")
        entry = SourceEntry("subversion", "name", repository.url)
        client = Client(Context(entry=entry, host=host_with(), folder=tmp_path / "f", known_hosts=tmp_path / "known"))
        with Server(repository.path) as server:
            changes = Changes(server, Layout(""))
            for revision in log.read(client, 1, repository.youngest):
                paths = tuple(replace(path, kind="", text=True, properties=True) for path in revision.paths)
                assert changes.of(replace(revision, paths=paths)) == changes.of(revision)
                assert changes.merged(replace(revision, paths=paths)) == changes.merged(revision)


class TestIncrements:
    def test_new_revisions_alone(self, agent: Agent, tmp_path: Path) -> None:
        give_secrets(agent)
        repository = layout(tmp_path / "r")
        check_rows(agent, repository, repository.url)
        check_rows(agent, repository, repository.url, first=repository.youngest + 1)
        repository.commit(repository.put("trunk/a", "one\nmore\n"))
        repository.commit(("mv", "trunk/a", "trunk/z"))
        check_rows(agent, repository, repository.url, first=repository.youngest - 1)
        check_rows(agent, repository, repository.url, "--full")

    @pytest.mark.parametrize("position", ["99", "c0ffee"])
    def test_position_that_is_none(self, agent: Agent, tmp_path: Path, position: str) -> None:
        give_secrets(agent)
        repository = layout(tmp_path / "r")
        agent.export().mkdir(parents=True)
        (agent.export() / "latest_vcs_versions.json").write_text(json.dumps({"name": position}))
        done = agent.scrape("--source", f"subversion:name={repository.url}")
        assert "everything was collected again" in " ".join(done.output.split())
        assert len(table(agent, "data_vcs_versions")) == repository.youngest

    def test_another_repository_at_the_same_place(self, agent: Agent, tmp_path: Path) -> None:
        give_secrets(agent)
        repository = layout(tmp_path / "r")
        check_rows(agent, repository, repository.url)
        shutil.rmtree(repository.path)
        other = layout(tmp_path / "r")
        other.commit(other.put("trunk/other", "x\n"))
        done = agent.scrape("--source", f"subversion:name={other.url}")
        assert "another repository answers" in " ".join(done.output.split())
        assert table(agent, "data_change_path") == expected(other.url)[1]

    def test_damaged_mirror_is_made_anew(self, agent: Agent, tmp_path: Path) -> None:
        give_secrets(agent)
        repository = layout(tmp_path / "r")
        check_rows(agent, repository, repository.url)
        (mirror,) = (agent.home / "state" / "repos" / "TEST").glob("*/mirror")
        (mirror / "db" / "current").write_text("1\n")
        check_rows(agent, repository, repository.url, "--full")
        shutil.rmtree(mirror)
        check_rows(agent, repository, repository.url, "--full")

    def test_without_statistics(self, agent: Agent, tmp_path: Path) -> None:
        give_secrets(agent)
        layout(tmp_path / "r")
        (agent.home / "credentials.cfg").write_text("[127.0.0.1]\nskip_stats=true\nfrom_date=2020-01-01\n")
        with svnserve(tmp_path) as port:
            done = agent.scrape("--source", f"subversion:name=svn://127.0.0.1:{port}/r")
        rows = table(agent, "data_vcs_versions")
        assert [row["version_id"] for row in rows] == ["1", "2", "3"]
        for row in rows:
            assert not {"branch", "insertions", "number_of_files", "size"} & set(row)
        assert table(agent, "data_change_path") == []
        assert table(agent, "data_tag")[0]["message"] == "a tag"
        assert schemas.errors(agent.export()) == []
        assert not list(agent.home.rglob("mirror"))
        assert "from_date has no effect" in " ".join(done.output.split())


@pytest.fixture(scope="module")
def nut(tmp_path_factory: pytest.TempPathFactory) -> tuple[Rows, Rows]:
    """What svn tells of a recording, which takes it a while."""
    folder = tmp_path_factory.mktemp("recording")
    return expected(SubversionRepository.load(folder / "nut", RECORDINGS / "nut.svn").url)


class TestRequests:
    def test_few(self, agent: Agent, tmp_path: Path, record_property: Callable[[str, object], None]) -> None:
        """However many revisions there are: what is there, the differences, the log, the tags."""
        give_secrets(agent)
        SubversionRepository.load(tmp_path / "nut", RECORDINGS / "nut.svn")
        with svnserve(tmp_path) as port, proxy(port) as between:
            url = f"subversion:name=svn://127.0.0.1:{between.port}/nut"
            assert agent.scrape("--source", url).status == 0
            first, between.connections = between.connections, 0
            assert agent.scrape("--source", url).status == 0
            record_property(
                "measured", f"Subversion: {first} connections for 65 revisions, {between.connections} for none"
            )
            assert (first, between.connections) == (5, 2)  # svnrdump makes two

    @pytest.mark.parametrize("at", [500, 20_000, 150_000])
    def test_broken_connection(self, agent: Agent, nut: tuple[Rows, Rows], tmp_path: Path, at: int) -> None:
        """No half revision stays, and the next scrape goes on."""
        give_secrets(agent)
        repository = SubversionRepository.load(tmp_path / "nut", RECORDINGS / "nut.svn")
        with svnserve(tmp_path) as port, proxy(port) as between:
            between.set(Fault("cut", at, "client"))
            done = agent.scrape("--source", f"subversion:name=svn://127.0.0.1:{between.port}/nut")
            assert done.status == 3, done
            assert between.struck
            assert not (agent.export() / "data_vcs_versions.json").exists()
            between.set(None)
            check_rows(agent, repository, f"svn://127.0.0.1:{between.port}/nut", known=nut)

    def test_silence(self, agent: Agent, tmp_path: Path) -> None:
        give_secrets(agent)
        SubversionRepository.load(tmp_path / "nut", RECORDINGS / "nut.svn")
        with svnserve(tmp_path) as port, proxy(port) as between:
            between.set(Fault("stall", 20_000, "client"))
            done = agent.scrape("--source", f"subversion=svn://127.0.0.1:{between.port}/nut", "--timeout", "1")
        assert done.status == 3
        assert "was silent for 1 s" in " ".join(done.output.split())


lists = st.lists(
    st.sampled_from([b"a\n", b"b\n", b"\n", b"a\r\n", b"a\r", b"@@ -1 +1 @@\n", b"+x\n", b"-"]), max_size=12
)


def slow_count(old: bytes, new: bytes) -> tuple[int, int]:
    """By the book: a table of all common subsequences."""
    left, right = old.splitlines(keepends=True), new.splitlines(keepends=True)
    best = [[0] * (len(right) + 1) for _ in range(len(left) + 1)]
    for i, one in enumerate(left):
        for j, other in enumerate(right):
            best[i + 1][j + 1] = best[i][j] + 1 if one == other else max(best[i][j + 1], best[i + 1][j])
    return len(right) - best[-1][-1], len(left) - best[-1][-1]


class TestLines:
    @given(lists.map(b"".join), lists.map(b"".join))
    def test_as_by_the_book(self, old: bytes, new: bytes) -> None:
        assert lines.count(old, new) == slow_count(old, new)

    @settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(lists.map(b"".join), lists.map(b"".join))
    def test_as_svn_says(self, tmp_path: Path, old: bytes, new: bytes) -> None:
        require()
        (tmp_path / "old").write_bytes(old)
        (tmp_path / "new").write_bytes(new)
        said = reference.counted("--old", str(tmp_path / "old"), "--new", str(tmp_path / "new"))
        assert lines.count(old, new) == said

    def test_long_texts_take_no_time(self) -> None:
        old = b"".join(b"%d\n" % (number % 997) for number in range(20_000))
        new = b"".join(b"%d\n" % (number % 991) for number in range(20_000))
        assert sum(lines.count(old, new)) < 40_000

    @pytest.mark.parametrize(
        ("text", "count"),
        [(b"", 0), (b"/a:3", 1), (b"/a:1-3,5*\n/b:7", 5), (b"/with:colon:2-3", 2), (b"nonsense", 0)],
    )
    def test_merged_revisions(self, text: bytes, count: int) -> None:
        assert merged_revisions(text) == count


def test_failures_are_explained(agent: Agent, tmp_path: Path) -> None:
    give_secrets(agent)
    repository = layout(tmp_path / "r")
    for url, words in (
        (f"{repository.url}/nowhere", "there is no such repository, or no such folder in it"),
        ((tmp_path / "none").as_uri(), "there is no such repository"),
        (f"{repository.url}/trunk/a", "is a file"),
        ("svn://127.0.0.1:1/x", "can't be reached"),
    ):
        done = agent.scrape("--source", f"subversion={url}")
        assert done.status == 3, done
        assert words in " ".join(done.output.split())


def test_machine_without_subversion(agent: Agent, tmp_path: Path) -> None:
    give_secrets(agent)
    (tmp_path / "programs").mkdir()
    done = agent.scrape("--source", "subversion=file:///x", variables={"PATH": str(tmp_path / "programs")})
    assert done.status == 3
    assert "Subversion is not installed" in " ".join(done.output.split())
    assert "install subversion" in " ".join(done.output.split())


def test_version_that_is_too_old(monkeypatch: pytest.MonkeyPatch) -> None:
    from gros_agent.sources.subversion import access  # noqa: PLC0415

    monkeypatch.setattr(access, "installed_version", lambda: (1, 9, 7))
    with pytest.raises(SourceError, match=r"Subversion 1\.9\.7 is too old"):
        access.supported_version()


def test_no_process_for_a_revision_or_file(tmp_path: Path, agent: Agent) -> None:
    """The programs that a scrape starts, however many revisions there are."""
    give_secrets(agent)
    SubversionRepository.load(tmp_path / "nut", RECORDINGS / "nut.svn")
    programs = tmp_path / "programs"
    programs.mkdir()
    for name in ("svn", "svnadmin", "svnlook", "svnrdump", "svnserve"):
        script = f'#!/bin/sh\necho {name} "$1" >> {tmp_path}/started\nexec {shutil.which(name)} "$@"\n'
        (programs / name).write_text(script)
        (programs / name).chmod(0o755)
    path = f"{programs}:/usr/bin:/bin"
    assert agent.scrape("--source", f"subversion={tmp_path / 'nut'}", variables={"PATH": path}).status == 0
    started = [line for line in (tmp_path / "started").read_text().splitlines() if "--version" not in line]
    assert sorted(set(started)) == [
        *("svn info", "svn list", "svn log", "svnadmin create", "svnadmin load", "svnlook youngest"),
        *("svnrdump dump", "svnserve --tunnel"),
    ]
    assert len(started) < 12

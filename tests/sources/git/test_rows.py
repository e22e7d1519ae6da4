"""Every row of a Git history against independent git calls, and every file against the published schemas."""

import hashlib
import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from support import reference, schemas
from support.agent import PEPPER, ROOT, SALT, Agent, Rows, give_secrets, table
from support.exotic import exotic
from support.hard import HARD, hostile_configuration, many_files, partial, signatures
from support.repository import Repository, linear_history


def hashed(value: str) -> str:
    return value if value == "0" else hashlib.sha256((SALT + value + PEPPER).encode()).hexdigest()


def expected(path: Path, head: str, *since: str) -> tuple[Rows, Rows]:
    versions, changes = reference.rows(path, head, "name", *since)
    for row in versions:
        for field in ("developer", "developer_username", "developer_email"):
            row[field] = hashed(row[field])
        row["encrypted"] = "1"
    return versions, changes


def real_repositories() -> list[Path]:
    """Those that the caller names in GROS_TEST_REPOSITORIES, and this checkout."""
    named = [Path(path) for path in os.environ.get("GROS_TEST_REPOSITORIES", "").split(":") if path]
    return [*named, ROOT]


@pytest.mark.parametrize("path", real_repositories(), ids=lambda path: path.parent.name + "-" + path.name)
def test_real_repository(agent: Agent, path: Path) -> None:
    if path == ROOT and not (ROOT / ".git").exists():
        pytest.skip("these sources are no git checkout")
    check_all_rows(agent, path)


def test_exotic_repository(agent: Agent, tmp_path: Path) -> None:
    check_all_rows(agent, exotic(tmp_path / "exotic").path)


@pytest.mark.parametrize("make", HARD)
def test_hard_repository(agent: Agent, tmp_path: Path, make: Callable[[Path], Repository]) -> None:
    check_all_rows(agent, make(tmp_path / "origin").path)
    assert not (tmp_path / "a program was run").exists()


def test_partial_clone(agent: Agent, tmp_path: Path) -> None:
    """Git gives nothing out of one that it would have to fetch first; without the fetching, all is in it."""
    give_secrets(agent)
    repository = partial(tmp_path / "origin")
    done = agent.scrape("--source", f"git:name={repository.path}")
    assert done.status == 3
    assert "lacks some of its own objects" in " ".join(done.output.split())
    assert not (agent.export() / "data_vcs_versions.json").exists()
    repository.git("rev-list", "--objects", "HEAD", "--missing=allow-any")
    repository.git("checkout", "--quiet", "HEAD")
    repository.git("log", "-p")
    check_all_rows(agent, repository.path)


def test_signature_is_no_part_of_the_message(agent: Agent, tmp_path: Path) -> None:
    give_secrets(agent)
    assert agent.scrape("--source", f"git={signatures(tmp_path / 'origin').path}").status == 0
    assert [row["message"] for row in table(agent, "data_tag")] == ["signed\n"]
    assert table(agent, "data_vcs_versions")[-1]["message"] == "a signed commit\n"


@pytest.mark.slow
def test_commit_with_100_000_files(agent: Agent, tmp_path: Path) -> None:
    """All are added in one commit and moved in the next; the reference is too slow for as many."""
    give_secrets(agent)
    count = 100_000
    repository = many_files(tmp_path / "many", count)
    assert agent.scrape("--source", f"git={repository.path}").status == 0
    added, moved = table(agent, "data_vcs_versions")
    assert (added["number_of_files"], added["insertions"], added["deletions"]) == (str(count), str(count), "0")
    assert (moved["number_of_files"], moved["number_of_lines"]) == (str(count), "0")
    for version, folder, kind in ((added, "before", "A"), (moved, "after", "R")):
        rows = [row for row in table(agent, "data_change_path") if row["version_id"] == version["version_id"]]
        listed = (line.split() for line in repository.git("ls-tree", "-r", "-l", version["version_id"]).splitlines())
        assert {row["file"]: row["size"] for row in rows} == {path: size for _, _, _, size, path in listed}
        assert {row["change_type"] for row in rows} == {kind}
        assert all(row["file"].startswith(f"{folder}/") for row in rows)


def test_programs_of_the_repository_are_not_run(agent: Agent, tmp_path: Path) -> None:
    canary = tmp_path / "canary"
    repository = hostile_configuration(tmp_path / "origin", canary)
    for number in range(2):
        assert agent("scrape", "--project", "TEST", "--source", f"git={repository.path}", "--no-secrets").status == 0
        (clone,) = (agent.home / "state" / "repos" / "TEST").iterdir()
        assert not (clone / "hooks").exists()
        # what somebody put into the clone is not run either
        for name in ("core.fsmonitor", "diff.external", "filter.evil.smudge", "core.pager", "core.hooksPath"):
            value = repository.git("config", name)
            repository.git("--git-dir", str(clone), "config", name, value)
        repository.git("commit-tree", "-m", "x", "HEAD^{tree}", "-p", "HEAD")
        raw = repository.git("commit-tree", "-p", "HEAD", "-m", f"commit {number}", "HEAD^{tree}")
        (repository.path / ".git" / "refs" / "heads" / "main").write_text(f"{raw}\n")
    assert not canary.exists()


def test_long_history(agent: Agent, tmp_path: Path) -> None:
    """More commits than several processes read at a time; the slow reference looks at the last ones alone."""
    repository = linear_history(tmp_path / "long", 3500)
    check_all_rows(agent, repository.path, newest=150)


def check_all_rows(agent: Agent, path: Path, newest: int | None = None) -> None:
    give_secrets(agent)
    git = reference.Git(path)
    head = git("rev-parse", "HEAD").decode().strip()
    done = agent.scrape("--source", f"git:name={path.as_uri()}")
    assert done.status == 0, done.errors
    versions, changes = table(agent, "data_vcs_versions"), table(agent, "data_change_path")
    assert len(versions) == int(git("rev-list", "--count", head))
    assert json.loads((agent.export() / "latest_vcs_versions.json").read_text()) == {"name": head}
    assert schemas.errors(agent.export()) == []
    since = (f"{head}~{newest}",) if newest else ()
    expected_versions, expected_changes = expected(path, head, *since)
    if newest:
        wanted = {row["version_id"] for row in expected_versions}
        versions = versions[-len(wanted) :]
        changes = [row for row in changes if row["version_id"] in wanted]
    for row, wanted_row in zip(versions, expected_versions, strict=True):
        limited = wanted_row | {"branch": wanted_row["branch"][:255]}
        assert row == limited
    for row, wanted_row in zip(changes, expected_changes, strict=True):
        assert row == wanted_row | {"file": wanted_row["file"][:1000]}
    check_tags(git, table(agent, "data_tag"))


def check_tags(git: reference.Git, rows: Rows) -> None:
    names = git.lines("for-each-ref", "--format=%(refname)", "refs/tags")
    assert [row["tag_name"] for row in rows] == [name.removeprefix("refs/tags/")[:100] for name in names]
    for row, name in zip(rows, names, strict=True):
        commit = git("rev-parse", "--quiet", "--verify", f"{name}^{{commit}}", ok=(0, 1, 128)).decode().strip()
        assert row["version_id"] == (commit or "0")
        annotated = git("cat-file", "-t", name).strip() == b"tag"
        assert (row["message"] != "0") == annotated
        if not annotated:
            assert (row["tagged_date"], row["tagger"], row["tagger_email"]) == ("0", "0", "0")


def test_tags_of_the_exotic_repository(agent: Agent, tmp_path: Path) -> None:
    give_secrets(agent)
    repository = exotic(tmp_path / "exotic")
    assert agent.scrape("--source", f"git={repository.path}").status == 0
    rows = {row["tag_name"]: row for row in table(agent, "data_tag")}
    assert rows["heavy"]["message"] == "a message\n\nwith a body\n"
    assert rows["heavy"]["tagger"] == hashed("Carl Committer")
    assert rows["heavy"]["tagger_email"] == hashed("carl@committer.example")
    assert rows["nested"]["version_id"] == repository.git("rev-parse", "heavy^{commit}")
    assert rows["mapped"]["tagger"] == hashed("New Name")
    assert rows["mapped"]["tagger_email"] == hashed("new@mapped.example")
    assert rows["tree"]["version_id"] == rows["blob"]["version_id"] == "0"
    assert rows["heavy"]["tagged_date"] == reference.moment(
        int(repository.git("for-each-ref", "--format=%(taggerdate:unix)", "refs/tags/heavy"))
    )


def test_no_person_outside_free_text(agent: Agent, tmp_path: Path) -> None:
    give_secrets(agent)
    repository = exotic(tmp_path / "exotic")
    assert agent.scrape("--source", f"git={repository.path}").status == 0
    people = set(repository.git("log", "--format=%an%n%ae%n%cn%n%ce%n%aN%n%aE", "--all").splitlines()) - {
        "",
        "root",
        "C",
    }
    assert "Ada Author" in people
    free_text = {"message", "branch", "file", "tag_name"}
    for name in ("data_vcs_versions", "data_change_path", "data_tag"):
        for row in table(agent, name):
            rest = [value for field, value in row.items() if field not in free_text]
            assert not people.intersection(rest)
            assert not any(person in value for person in people for value in rest if len(person) > 4)


def test_known_name_has_the_known_hash(agent: Agent, repository: Repository) -> None:
    give_secrets(agent)
    repository.commit("one", {"a": "1\n"})
    assert agent.scrape("--source", f"git={repository.path}").status == 0
    (row,) = table(agent, "data_vcs_versions")
    # sha256 of "some saltAda Authorsome pepper", as sha256sum prints it
    assert row["developer"] == "9d23dd3f73e41269e8e6eab5136bb2cce73d736683d460333c12709fd36e93a9"


def test_the_published_schemas(agent: Agent, tmp_path: Path) -> None:
    """The files are valid against them. Where all of them lie beside the checkout, our copies are the same."""
    folder = schemas.BESIDE if schemas.BESIDE.is_dir() else schemas.HERE
    database = json.loads((folder / "database.json").read_text())
    ours = json.loads((schemas.HERE / "database.json").read_text())
    assert ours == {name: database[name] for name in ours}
    for path in schemas.HERE.glob("*/*.json"):
        assert json.loads(path.read_text()) == json.loads((folder / path.relative_to(schemas.HERE)).read_text())
    give_secrets(agent)
    assert agent.scrape("--source", f"git={exotic(tmp_path / 'exotic').path}").status == 0
    assert schemas.errors(agent.export(), folder) == []


def test_plain_rows_are_valid_too(agent: Agent, tmp_path: Path) -> None:
    done = agent.scrape("--source", f"git={exotic(tmp_path / 'exotic').path}", "--no-secrets")
    assert done.status == 0
    assert "HAS NO SECRETS" in done.errors
    rows = table(agent, "data_vcs_versions")
    assert {row["encrypted"] for row in rows} == {"0"}
    assert "Ada Author" in {row["developer"] for row in rows}
    assert schemas.errors(agent.export()) == []
    assert "data_vcs_versions: 1 values of developer were shortened" in done.output

"""What the agent tells about a person, for a request for erasure or access."""

import json
from pathlib import Path
from typing import Any

import pytest

from gros_agent.privacy.pseudonyms import pseudonym
from gros_agent.privacy.secrets import Salts, Secrets
from gros_agent.rows import Tag, VcsVersion
from support.agent import PEPPER, SALT, Agent, Finished, give_secrets, table
from support.controller import controller
from support.repository import Repository, linear_history

SECRETS = Secrets(Salts(SALT, PEPPER))


def told(done: Finished) -> dict[str, Any]:
    assert done.status == 0, done
    (one,) = json.loads(done.output)
    found: dict[str, Any] = one
    return found


def test_is_who_is_in_the_tables(agent: Agent, repository: Repository) -> None:
    """Its pseudonyms are those in the tables, and the rows are counted."""
    give_secrets(agent)
    repository.commit("one", {"a": "1"})
    repository.git("tag", "-a", "v1", "-m", "a tag")
    assert agent.scrape("--source", f"git={repository.path}").status == 0
    contacts = repository.git("log", "-1", "--format=%an <%ae>%n%cn <%ce>").splitlines()
    found = told(agent("person", *contacts, "--project", "TEST", "--json"))
    pseudonyms = {one["pseudonym"] for one in found["pseudonyms"]}
    for row in (VcsVersion, Tag):
        (values,) = table(agent, row.table)
        assert {values[field] for field in row.personal} <= pseudonyms
    assert [(Path(one["path"]).name, one["rows"]) for one in found["here"]] == [
        ("data_tag.json", 1),
        ("data_vcs_versions.json", 1),
    ]
    assert (found["waiting"], found["sent"], found["searched_free_text"]) == (1, [], False)


def test_username_patterns(agent: Agent) -> None:
    give_secrets(agent)
    path = agent.home / "secrets" / "TEST.json"
    patterns = [{"prefix": "corp-%", "pattern": "^corp-", "replace": "", "mutate": "lower"}]
    path.write_text(json.dumps({**json.loads(path.read_text()), "usernames": patterns}))
    found = told(agent("person", "corp-X", "--project", "TEST", "--json"))
    assert {one["pseudonym"]: one["form"] for one in found["pseudonyms"]} == {
        pseudonym("corp-X", SECRETS): "as given",
        pseudonym("x", SECRETS): "as given, by a pattern for user names",
        pseudonym("corp-x", SECRETS): "lower case",
    }


def test_names_are_read_from_the_input_and_not_repeated(agent: Agent) -> None:
    give_secrets(agent)
    names = "first.person@example.org\n\n  second-account \r\n"
    for form in ((), ("--json",), ("--bare",)):
        done = agent.given(names.encode(), "person", "-", "--project", "TEST", "--log", "DEBUG", *form)
        assert done.status == 0
        for name in names.split():
            assert name not in done.output + done.errors
            assert pseudonym(name, SECRETS) in done.output
    assert done.output.split() == [pseudonym(name, SECRETS) for name in names.split()]
    done = agent.given(b"\xff\n", "person", "-", "--project", "TEST")
    assert (done.status, "not UTF-8" in done.errors) == (7, True)


def test_batches_that_were_delivered(agent: Agent, tmp_path: Path) -> None:
    repository = linear_history(tmp_path / "repository", 1)
    with controller(tmp_path / "controller") as running:
        given = running.variables(agent.home)
        for _ in range(2):
            for call in (("register",), ("scrape", "--source", f"git={repository.path}"), ("export",)):
                assert agent(*call, variables=given).status == 0
            repository.commit("more", {"b": "1"})
        found = told(agent("person", "somebody", "--json", variables=given))
        receipts = [json.loads((batch / "receipt.json").read_text()) for batch in running.inbox("TEST")]
        assert [one["batch"] for one in found["sent"]] == [one["batch"] for one in receipts]
        for sent, receipt in zip(found["sent"], receipts, strict=True):
            assert sent["files"] == [one["name"] for one in receipt["files"]]
            assert (sent["controller"].rpartition(":")[0], sent["known_by"]) == ("agent-TEST@127.0.0.1", "controller")
        shown = agent("person", "somebody", variables=given).output
        assert all(one["batch"] in shown for one in receipts)
        assert told(agent("person", "somebody", "--since", "2999-01-01", "--json", variables=given))["sent"] == []
        assert told(agent("person", "somebody", "--since", "2000-01-01", "--json", variables=given))["sent"] != []
    assert (found["here"], found["waiting"]) == ([], 0)


@pytest.mark.parametrize(
    ("arguments", "variables", "words"),
    [
        (("a", "--project", "OTHER"), {}, "project OTHER is unknown here"),
        (("a",), {"JIRA_KEY": "ABC"}, "project ABC has no secrets yet"),
        (("a",), {"JIRA_KEY": "ABC", "GROS_AGENT_PLAIN": "yes"}, "contain no pseudonyms, but the names and addresses"),
        (("a", "--project", "abc"), {}, "'abc' (option --project) is not a project key"),
        ((), {"JIRA_KEY": "TEST"}, "no name, account or address was given"),
        (("0",), {"JIRA_KEY": "TEST"}, "no name, account or address was given"),
        (("a", "--bare", "--json"), {"JIRA_KEY": "TEST"}, "--bare and --json contradict each other"),
        (("a",), {}, "no project is named"),
    ],
)
def test_what_it_can_not_tell(agent: Agent, arguments: tuple[str, ...], variables: dict[str, str], words: str) -> None:
    give_secrets(agent)
    done = agent("person", *arguments, variables=variables)
    assert (done.status, done.output) == (7, "")
    assert words in done.errors


def test_tables_that_were_moved_away_and_damaged_receipts(agent: Agent, repository: Repository) -> None:
    give_secrets(agent)
    repository.commit("one", {"a": "1"})
    agent.scrape("--source", f"git={repository.path}")
    (agent.export() / "data_vcs_versions.json").unlink()
    contact = repository.git("log", "-1", "--format=%an").strip()
    found = told(agent.given(contact.encode(), "person", "-", "--project", "TEST", "--json"))
    assert (found["here"], len(found["pseudonyms"])) == ([], 2)
    folder = agent.home / "state" / "receipts" / "TEST"
    folder.mkdir(parents=True)
    (folder / "x.json").write_text("{")
    done = agent.given(contact.encode(), "person", "-", "--project", "TEST")
    assert (done.status, "the receipt is damaged" in done.errors) == (7, True)

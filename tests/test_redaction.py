"""People in free text: what is found becomes the pseudonyms of the personal fields, and the rest stays as it is."""

import hashlib
import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gros_agent.privacy import Pseudonymiser
from gros_agent.redaction import redacted
from gros_agent.settings.secrets import Salts, Secrets, UsernamePattern
from gros_agent.tables.schema import ChangePath, GitHubRepo, MergeRequestNote
from support.agent import PEPPER, SALT, Agent
from support.repository import Repository

PERSON = Pseudonymiser(Secrets(Salts("s", "p"), (UsernamePattern("%-x", "-x$", ""),)))


def sha(text: str) -> str:
    return hashlib.sha256(f"s{text}p".encode()).hexdigest()


def mark(field: str, value: str) -> str:
    return f"[{field}:{value.replace('@', ' at ')}]"


@pytest.mark.parametrize(
    ("text", "after"),
    [
        ("nobody here", "nobody here"),
        ("thanks @alice!", "thanks @[username:alice]!"),
        ("(@al-ice.b), @bob's", "(@[username:al-ice.b]), @[username:bob]'s"),
        ("cc @org/team", "cc @[username:org]/team"),
        ("ask @<01234567-89ab-cdef-0123-456789abcdef> now", "ask @[username:01234567-89ab-cdef-0123-456789abcdef] now"),
        ("write to a.b+c@mail.example.org.", "write to [email:a.b+c at mail.example.org]."),
        ("<a@b.example>, 'c@d.example'", "<[email:a at b.example]>, '[email:c at d.example]'"),
        ("x\n\nSigned-off-by: A B <a@b.example>\n", "x\n\nSigned-off-by: [developer:A B] <[email:a at b.example]>\n"),
        ("Co-authored-by:A <a@b>\r\nend", "Co-authored-by:[developer:A] <[email:a at b]>\r\nend"),
        ("> cc: Ä Ö <ä@ö.example>", "> cc: [developer:Ä Ö] <[email:ä at ö.example]>"),
        ("Reviewed-by: @alice", "Reviewed-by: @[username:alice]"),
        ("actions/checkout@v4 and a@b and `@decorated`", "actions/checkout@v4 and a@b and `@decorated`"),
        ("git@host.example:group/code.git", "[email:git at host.example]:group/code.git"),
        ("1 @ 2, @ , @@x", "1 @ 2, @ , @@x"),
    ],
)
def test_texts(text: str, after: str) -> None:
    assert redacted("comment", text, mark) == after


@pytest.mark.parametrize("field", ["file", "source_branch", "ref", "tag_name"])
def test_no_mention_in_paths(field: str) -> None:
    assert redacted(field, "node_modules/@types/node", mark) == "node_modules/@types/node"
    assert redacted(field, "for/a@b.example", mark) == "for/[email:a at b.example]"


@given(st.text(max_size=200), st.sampled_from(("comment", "file")))
def test_what_has_no_at_stays(text: str, field: str) -> None:
    plain = text.replace("@", "")
    assert redacted(field, plain, mark) == plain


@given(st.text("ab.@ \n<>:-x", max_size=60))
def test_again_changes_nothing(text: str) -> None:
    """A pseudonym is no mention and no address."""
    once = redacted("message", text, PERSON.field)
    assert redacted("message", once, lambda _field, value: value) == once


@pytest.mark.parametrize("part", ["a", "a.", "@", "@a", "a@", "x@y.", "Signed-off-by: ", "a-", "\nA-by: b<", "<@>"])
def test_hostile_texts_end(part: str) -> None:
    started = time.monotonic()
    redacted("comment", "@" + part * 100_000, mark)
    assert time.monotonic() - started < 5


def note(comment: str) -> MergeRequestNote:
    numbers = dict.fromkeys(("merge_request_id", "thread_id", "note_id", "parent_id"), "1")
    moments = dict.fromkeys(("created_at", "updated_at"), "2020-01-01 00:00:00")
    return MergeRequestNote(repo_name="r", author="A B", author_username="ab-x", comment=comment, **numbers, **moments)


def test_rows() -> None:
    """The same pseudonyms as in personal fields, user names by their patterns; other fields and tables as before."""
    redacting = Pseudonymiser(Secrets(Salts("s", "p"), (UsernamePattern("%-x", "-x$", ""),)), redact=True)
    (row,) = redacting.rows([note("@ab-x\nSigned-off-by: A B <a@b.example>")]).rows
    assert row.comment == f"@{row.author_username}\nSigned-off-by: {row.author} <{sha('a@b.example')}>"
    assert row.author_username == sha("ab")
    counts = dict.fromkeys(("insertions", "deletions", "size"), "0")
    path = ChangePath(repo_name="r", version_id="ab", file="a@b.example", change_type="M", **counts)
    assert redacting.rows([path]).rows[0].file == sha("a@b.example")
    (kept,) = PERSON.rows([note("@ab-x")]).rows
    assert kept.comment == "@ab-x"


def test_scrape(agent: Agent, repository: Repository) -> None:
    """The option, and the variable in an environment file."""
    trailer = "Co-authored-by: C D <c@d.example>"
    repository.commit(f"a change\n\n{trailer}\n")
    (agent.home / "secrets.json").write_text(json.dumps({"salts": {"salt": SALT, "pepper": PEPPER}, "usernames": []}))
    (agent.home / "secrets.json").chmod(0o600)
    source = ("--source", f"git:code={repository.url}", "--full")

    def message() -> str:
        rows = json.loads((agent.export() / "data_vcs_versions.json").read_text())
        return str(rows[-1]["message"])

    assert agent.scrape(*source).status == 0
    assert trailer in message()
    done = agent.scrape(*source, "--redact-text")
    assert done.status == 0, done
    address = hashlib.sha256(f"{SALT}c@d.example{PEPPER}".encode()).hexdigest()
    assert f"<{address}>" in message()
    assert "C D" not in message()
    (agent.home / "env").write_text("GROS_AGENT_REDACT_TEXT=1\n")
    assert agent.scrape(*source).status == 0
    assert f"<{address}>" in message()
    shown = agent.scrape(*source, "--dry-run")
    assert "mentions, addresses and trailers as pseudonyms" in " ".join(shown.output.split()), shown


def test_tables_without_people() -> None:
    redacting = Pseudonymiser(Secrets(Salts("s", "p")), redact=True)
    numbers = dict.fromkeys(("github_id", "private", "forked", "star_count", "watch_count"), "1")
    row = GitHubRepo(repo_name="r", description="by @ab", create_time="2020-01-01 00:00:00", **numbers)
    assert redacting.rows([row]).rows[0].description == f"by @{sha('ab')}"

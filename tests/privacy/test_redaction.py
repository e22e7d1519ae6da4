"""People in free text: what is found becomes the pseudonyms of the personal fields, and the rest stays as it is."""

import hashlib
import json
import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gros_agent.privacy.pseudonyms import Pseudonymiser
from gros_agent.privacy.redaction import redacted
from gros_agent.privacy.secrets import Salts, Secrets, UsernamePattern
from gros_agent.rows import ChangePath, GitHubRepo, MergeRequestNote
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
        ("actions/checkout@v4, react@latest", "actions/checkout@v4, react@latest"),
        ("`@decorated` .@alice /@alice", "`@[username:decorated]` .@[username:alice] /@[username:alice]"),
        ("Reviewed-by: A de B\n", "Reviewed-by: [developer:A de B]\n"),
        (
            "Fixed-by: 1234567890abcdef\nFrom: somebody who asked",
            "Fixed-by: 1234567890abcdef\nFrom: somebody who asked",
        ),
        ("From: Ann de Vries\nhello", "From: [developer:Ann de Vries]\nhello"),
        ("Co-Author: A B <a@b.example>", "Co-Author: [developer:A B] <[email:a at b.example]>"),
        ("On-behalf-of: @org A <a@b.ex>", "On-behalf-of: @[username:org] [developer:A] <[email:a at b.ex]>"),
        ('<a data-vss-mention="x,1">@A B</a> ok', '<a data-vss-mention="x,1">@[developer:A B]</a> ok'),
        ("ask ann@mailhost, or o'neil@x.org", "ask [email:ann at mailhost], or [email:o'neil at x.org]"),
        ('ask "A B"@x.org', 'ask [email:"A B" at x.org]'),
        ("mailto:ann%40x.org", "mailto:[email:ann at x.org]"),
        ("Merge pull request #1 from ann/topic", "Merge pull request #1 from [username:ann]/topic"),
        ("Merged in ann/topic (pull request #2)", "Merged in [username:ann]/topic (pull request #2)"),
        ("Merge branch 'ann/topic' into main", "Merge branch '[username:ann]/topic' into main"),
        ("Merge branch 'feature/topic'", "Merge branch 'feature/topic'"),
        (
            "https://github.com/ann/x, http://gitlab.example:8/users/ann",
            "https://github.com/[username:ann]/x, http://gitlab.example:8/users/[username:ann]",
        ),
        ("https://h.example/~ann https://h.example/x", "https://h.example/~[username:ann] https://h.example/x"),
        ("On Mon, Ann de Vries <a@x.org> wrote:", "On Mon, [developer:Ann de Vries] <[email:a at x.org]> wrote:"),
        ("please ask ann de vries <a@x.org>", "please ask [developer:ann de vries] <[email:a at x.org]>"),
        ("see /home/ann/x and C:\\Users\\ann\\y", "see /home/[username:ann]/x and C:\\Users\\[username:ann]\\y"),
        ("git@host.example:group/code.git", "[email:git at host.example]:group/code.git"),
        ("1 @ 2, @ , @@x", "1 @ 2, @ , @@x"),
        ("[~ann], ask [~a.b@x.org]", "[~[developer:ann]], ask [~[developer:a.b at x.org]]"),
        ("[~accountid:557058:0-a] did", "[~accountid:[developer:557058:0-a]] did"),
        ("[~ ] [~a b] [~a|b] ~ann [link|http://x]", "[~ ] [~a b] [~a|b] ~ann [link|http://x]"),
    ],
)
def test_texts(text: str, after: str) -> None:
    assert redacted("comment", text, mark) == after


@pytest.mark.parametrize("field", ["file", "tag_name"])
def test_no_mention_in_paths(field: str) -> None:
    assert redacted(field, "node_modules/@types/node", mark) == "node_modules/@types/node"
    assert redacted(field, "for/a@b.example", mark) == "for/[email:a at b.example]"


@pytest.mark.parametrize(
    ("field", "text", "after"),
    [
        ("branch", "ann/topic", "[username:ann]/topic"),
        ("ref", "refs/heads/ann/topic", "refs/heads/[username:ann]/topic"),
        ("source_branch", "users/ann/topic", "users/[username:ann]/topic"),
        ("target_branch", "feature/ann", "feature/ann"),
        ("branch", "main", "main"),
        ("branch", "fix/a@b.example", "fix/[email:a at b.example]"),
        ("tag_name", "ann@laptop", "[email:ann at laptop]"),
        ("tag_name", "v1@2", "v1@2"),
        ("file", "home/ann/x", "home/[username:ann]/x"),
        ("file", "src/home/index.html", "src/home/index.html"),
    ],
)
def test_accounts_in_names_and_paths(field: str, text: str, after: str) -> None:
    assert redacted(field, text, mark) == after


@given(st.text(max_size=200), st.sampled_from(("comment", "file")))
def test_what_has_no_sign_of_a_person_stays(text: str, field: str) -> None:
    plain = re.sub("[@%:/\\\\]", "", text)
    assert redacted(field, plain, mark) == plain


@given(st.text("ab.@ \n<>:-x", max_size=60))
def test_again_changes_nothing(text: str) -> None:
    """A pseudonym is no mention and no address."""
    once = redacted("message", text, PERSON.field)
    assert redacted("message", once, lambda _field, value: value) == once


@pytest.mark.parametrize(
    "part",
    [
        "A b ",
        "a <",
        "https://github.",
        "https://a/b/",
        "Merge branch '",
        "<a data-vss-mention ",
        "/home/",
        '"a',
        "%40",
        "x'",
        "[~",
        "[~accountid:",
    ],
)
@pytest.mark.parametrize("end", ["", "@x.example", "<a@b>", "\n"])
def test_hostile_forms_end(part: str, end: str) -> None:
    started = time.monotonic()
    redacted("comment", part * 50_000 + end, mark)
    assert time.monotonic() - started < 5


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

"""What the pages say: the README's commands work, and no page points to something that is not there."""

import re
import shlex
from collections.abc import Iterable
from pathlib import Path

import pytest

from support import terminal
from support.agent import ROOT, Agent

PICTURES = ROOT / "docs" / "pictures"
PAGES = sorted({*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")})


def readme_command(name: str) -> str:
    """The command that follows a marker in the README."""
    match = re.search(rf"<!-- test: {name} -->\n```sh\n(.+)\n```", (ROOT / "README.md").read_text())
    assert match
    return match[1]


def in_checkout(name: str, agent: Agent) -> list[str]:
    """The arguments of the last part of a command of the README, with this checkout as the repository."""
    if not (ROOT / ".git").exists():
        pytest.skip("these sources are no git checkout")
    program, *arguments = shlex.split(readme_command(name).rpartition(" && ")[2])
    assert program == ".venv/bin/gros-agent"
    if "--home" in arguments:
        arguments[arguments.index("--home") + 1] = str(agent.home)
    return [one.replace("git:gros-agent=.", f"git:gros-agent={ROOT}") for one in arguments]


def test_first_command(agent: Agent) -> None:
    """Its last part, in this checkout; the parts before it install what runs this test."""
    command = (*in_checkout("first", agent), "--repo", str(ROOT))
    done = agent(*command, variables={"COLUMNS": str(terminal.COLUMNS)})
    assert done.status == 0, done
    assert re.search(r"✓ git counts (\d+) commits, and \1 arrived", done.output)
    assert re.search(r"✓ \d+ names and addresses of its people: 0 arrived outside free text", done.output)
    prompt, *drawn = terminal.text((PICTURES / "demo.svg").read_text())
    assert prompt.removeprefix("$ ") == readme_command("first").rpartition(" && ")[2]
    assert unchanging(drawn) == unchanging(done.output.splitlines()), "make it anew: nox -s pictures -- terminal"
    # the command installs no extra for reports, as whoever runs these tests has
    (left_out,) = (line for line in drawn if line.startswith("report"))
    assert left_out.split(maxsplit=1)[1] == "not made: install gros-agent[report] for it"
    assert re.search(
        r"^report +a page of \d+ bytes, gone with the rest; --keep DIR keeps it$", done.output, re.MULTILINE
    )


def unchanging(lines: Iterable[str]) -> list[str]:
    """What is the same in each run: of tables the first column, and no numbers."""
    kept = (line.split()[0] if line.startswith((" ", "report ")) else line.rstrip() for line in lines if line.strip())
    return [re.sub(r"[0-9][0-9.]*|─+", "…", line) for line in kept]


def test_scrape_command(agent: Agent) -> None:
    done = agent(*in_checkout("scrape", agent))
    assert done.status == 0, done
    assert re.search(r"gros-agent +git +\d+ +data_vcs_versions \d+", done.output)
    assert "rows in 4 tables" in done.output


def test_report_command(agent: Agent) -> None:
    """Of what the command before it collected."""
    assert agent(*in_checkout("scrape", agent)).status == 0
    arguments = in_checkout("report", agent)
    arguments[arguments.index("--output") + 1] = "report.html"
    done = agent(*arguments)
    assert done.status == 0, done
    assert re.fullmatch(r"report.html: a report of DEMO, \d+ bytes\n", done.output)


def test_commands_are_one_line_and_start_from_nothing() -> None:
    for name in ("first", "second"):
        command = readme_command(name)
        assert command.startswith("python3 -m venv .venv && .venv/bin/pip install --quiet ")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)\)", page.read_text()):
        assert target.startswith("https://") or (page.parent / target).exists(), target


def test_pictures_are_small_and_load_nothing() -> None:
    """Each has a text for who does not see it, and is there; the script that makes them has all that are there."""
    named = re.findall(r'<img src="([^"]+)" width="[0-9]+" alt="[^"]{40,}">', (ROOT / "README.md").read_text())
    pictures = {path for path in PICTURES.iterdir() if path.suffix in {".svg", ".png"}}
    assert {ROOT / name for name in named} == pictures
    assert sum(path.stat().st_size for path in pictures) < 110_000
    drawing = (PICTURES / "demo.svg").read_text()
    assert set(re.findall(r"https?://[^\"')]+", drawing)) == {"http://www.w3.org/2000/svg"}
    assert not re.search(r"@import|@font-face|<script|<image", drawing)
    assert len((ROOT / "README.md").read_bytes()) <= 7_000


def test_claims_name_tests_that_there_are() -> None:
    text = (ROOT / "docs" / "security.md").read_text()
    claims = re.findall(r"`([a-z_/]+\.py)::(\w+)`", text)
    assert len(claims) > 20
    for file, name in claims:
        code = (ROOT / "tests" / file).read_text()
        assert re.search(rf"^ *(def|class) {name}\b", code, re.MULTILINE), f"{file}::{name}"


def test_changelog_has_the_version_or_something_to_release() -> None:
    assert "## [Unreleased]" in (ROOT / "CHANGELOG.md").read_text()

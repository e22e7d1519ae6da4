"""What the pages say: the README's commands work, and no page points to something that is not there."""

import re
import shlex
from pathlib import Path

import pytest

from support.agent import ROOT, Agent

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
    done = agent(*in_checkout("first", agent), "--repo", str(ROOT))
    assert done.status == 0, done
    assert re.search(r"✓ (\d+) commits says git, and as many arrived", done.output)
    assert re.search(r"✓ \d+ names and addresses of its people, 0 of them outside free text", done.output)


def test_scrape_command(agent: Agent) -> None:
    done = agent(*in_checkout("scrape", agent))
    assert done.status == 0, done
    assert re.search(r"gros-agent +git +\d+ +data_vcs_versions \d+", done.output)
    assert "rows in 4 tables" in done.output


def test_commands_are_one_line_and_start_from_nothing() -> None:
    for name in ("first", "second"):
        command = readme_command(name)
        assert command.startswith("python3 -m venv .venv && .venv/bin/pip install --quiet ")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)\)", page.read_text()):
        assert target.startswith("https://") or (page.parent / target).exists(), target


def test_claims_name_tests_that_there_are() -> None:
    text = (ROOT / "docs" / "security.md").read_text()
    claims = re.findall(r"`([a-z_/]+\.py)::(\w+)`", text)
    assert len(claims) > 20
    for file, name in claims:
        code = (ROOT / "tests" / file).read_text()
        assert re.search(rf"^ *(def|class) {name}\b", code, re.MULTILINE), f"{file}::{name}"


def test_changelog_has_the_version_or_something_to_release() -> None:
    assert "## [Unreleased]" in (ROOT / "CHANGELOG.md").read_text()

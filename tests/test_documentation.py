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


def test_first_command(agent: Agent) -> None:
    """Its last part, in this checkout; the parts before it install what runs this test."""
    if not (ROOT / ".git").exists():
        pytest.skip("these sources are no git checkout")
    program, *arguments = shlex.split(readme_command("first").rpartition(" && ")[2])
    assert program == ".venv/bin/gros-agent"
    place = arguments.index("--home") + 1
    arguments[place] = str(agent.home)
    arguments = [one.replace("git:gros-agent=.", f"git:gros-agent={ROOT}") for one in arguments]
    done = agent(*arguments)
    assert done.status == 0, done
    assert re.search(r"gros-agent +git +\d+ +data_vcs_versions \d+", done.output)
    assert "rows in 3 tables" in done.output


def test_commands_are_one_line_and_start_from_nothing() -> None:
    for name in ("first", "second"):
        command = readme_command(name)
        assert command.startswith("python3 -m venv .venv && .venv/bin/pip install --quiet ")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)\)", page.read_text()):
        assert target.startswith("https://") or (page.parent / target).exists(), target


def test_tree_of_the_architecture_is_the_tree() -> None:
    named = set(re.findall(r"^      ([a-z_]+(?:\.py|/))", (ROOT / "ARCHITECTURE.md").read_text(), re.MULTILINE))
    package = ROOT / "src" / "gros_agent"
    there = {path.name for path in package.glob("*.py")} | {
        f"{path.parent.name}/" for path in package.glob("*/__init__.py")
    }
    assert named == there - {"__init__.py", "__main__.py", "version.py", "moments.py"}


def test_changelog_has_the_version_or_something_to_release() -> None:
    assert "## [Unreleased]" in (ROOT / "CHANGELOG.md").read_text()

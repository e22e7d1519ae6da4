"""The whole flow on this machine: a reference controller, and an agent that registers, scrapes and delivers.

It runs in a temporary folder and on loopback, with the real commands on both sides. Afterwards the rows that the
controller received are compared with the output of git, and searched for the people of the repository. The caller makes
a report of them, since what that needs may not be installed.
"""

import contextlib
import json
import os
import re
import select
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from gros_agent.deliver.receipts import Receipt
from gros_agent.deliver.registration import Registered
from gros_agent.errors import AgentError, ConfigurationError
from gros_agent.preflight.results import Result, Verdict
from gros_agent.project.entries import parse
from gros_agent.project.report import Report
from gros_agent.project.scrape_options import ScrapeOptions
from gros_agent.rows import ChangePath, Tag, VcsVersion
from gros_agent.run.history import Ended
from gros_agent.run.runs import run_projects
from gros_agent.run.watching import Checks
from gros_agent.runtime import process
from gros_agent.settings.load import Overrides, load
from gros_agent.settings.model import Settings
from gros_agent.sources.base import Progress, no_progress
from gros_agent.sources.git.access import base_environment

PROJECT = "DEMO"
REPORT = "report.html"
START_SECONDS = 30
_SILENCE = 60.0
_SHORTEST_NAME = 4
"""Shorter names occur in many texts by chance; they are compared with whole values only."""

Step = Callable[[str, str], None]
"""Called with the name of a step and its result."""
MakeReport = Callable[[Path, Path], str]
"""Called with the inbox of the controller and the file for a report; returns what became of it."""


@dataclass(frozen=True)
class Shown:
    """The result of a demo: the repository, what the controller received, and the people that were searched for.

    ``kept`` is the folder with everything, if it was kept.
    """

    repository: str
    inbox: Path
    rows: dict[str, int]
    commits: int
    people: int
    found: tuple[str, ...]
    example: dict[str, str]
    kept: Path | None = None
    personal: frozenset[str] = frozenset(VcsVersion.personal)

    @property
    def is_right(self) -> bool:
        """Whether every commit arrived once and nobody's name or address did."""
        return self.rows["data_vcs_versions"] == self.commits and not self.found


def run(
    repository: str | None,
    step: Step,
    make_report: MakeReport,
    progress: Progress = no_progress,
    keep: Path | None = None,
) -> Shown:
    """Run the whole flow, and pass on each step. ``keep`` is a new folder for everything that it leaves.

    Raises :class:`AgentError`.
    """
    with _folder(keep) as folder:
        source = repository or _standing_in() or _make_repository(folder / "example")
        home = folder / "agent"
        home.mkdir()
        with _controller(folder / "controller") as variables:
            step("controller", f"listens on loopback, https port {variables['SSH_HTTPS_PORT']}")
            key = {"DEFINITIONS_CREDENTIALS_ENV": "DEMO_KEY", "DEMO_KEY": str(home / ".ssh" / "id_ed25519")}
            environment = {"PATH": os.environ["PATH"], "JIRA_KEY": PROJECT, **variables, **key}

            def read(project: str | None, overrides: Overrides, *, given: bool) -> Settings:
                return load(home, environment, overrides, project if given else None)

            options = ScrapeOptions(extra=parse([f"git={source}"], Path.cwd()))
            run_projects(read, (PROJECT,), Checks(), options, "demo", _Steps(step, progress))
            settings = read(None, {}, given=False)
        inbox = folder / "controller" / "inbox"
        step("report", make_report(inbox, folder / REPORT))
        return replace(_look(settings, source, inbox / PROJECT), kept=keep)


@contextlib.contextmanager
def _folder(keep: Path | None) -> Iterator[Path]:
    """A temporary folder, or the one that is to be kept. Raises :class:`ConfigurationError` if that has anything."""
    if keep is None:
        with tempfile.TemporaryDirectory(prefix="gros-agent-demo-") as temporary:
            yield Path(temporary)
        return
    folder = keep.absolute()
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        is_empty = not any(folder.iterdir())
    except OSError as error:
        raise ConfigurationError(f"{keep}: {error.strerror}", "name a new folder with --keep") from None
    if not is_empty:
        raise ConfigurationError(f"{keep} is not empty", "name a new folder with --keep")
    yield folder


@dataclass(frozen=True)
class _Steps:
    """Tells the steps of a run. A step that fails ends the demo."""

    step: Step
    progress: Progress

    def registered(self, done: Registered) -> None:
        self.step("register", f"as {done.user}; host key {done.pinned}")

    def checked(self, results: Sequence[Result]) -> None:
        if not any(result.status is Verdict.FAILED for result in results):
            self.step("preflight", f"{len(results)} checks, none failed")

    def scraped(self, report: Report) -> None:
        (outcome,) = report.outcomes
        if not outcome.error:
            rows = sum(report.tables.values())
            self.step("scrape", f"{outcome.items} commits, {rows} rows in {outcome.seconds:.1f} s")

    def delivered(self, receipt: Receipt) -> None:
        self.step("export", f"{len(receipt.files)} files by {receipt.way}; the controller took them")

    def ended(self, _project: str, ended: Ended) -> None:
        for outcome in ended.outcomes:
            if outcome.error:
                raise AgentError(outcome.error, outcome.hint)
        if ended.error:
            raise AgentError(ended.error, ended.hint)


def _look(settings: Settings, source: str, inbox: Path) -> Shown:
    """Compare what arrived with the output of git."""
    (clone,) = (one for one in (settings.home.state / "repos" / PROJECT).iterdir() if one.is_dir())
    (batch,) = (path for path in inbox.iterdir() if path.name[0].isdigit())
    people = _people(clone)
    rows: dict[str, int] = {}
    values: set[str] = set()
    example: dict[str, str] = {}
    for table in (VcsVersion, ChangePath, Tag):
        content = json.loads((batch / f"{table.table}.json").read_text(encoding="utf-8"))
        rows[table.table] = len(content)
        names = [name for name in table.__struct_fields__ if name not in {*table.free_text, "repo_name"}]
        values.update(row[name] for row in content for name in names if name in row)
        if table is VcsVersion and content:
            example = content[-1]
    commits = int(_git(clone, "rev-list", "--count", "refs/gros/head"))
    return Shown(source, batch, rows, commits, len(people), tuple(sorted(_found(people, values))), example)


def _found(people: set[str], values: set[str]) -> set[str]:
    """The people who are one of the values, or occur in a value that is not just a number or hash."""
    text = "\n".join(value for value in values if not re.fullmatch("[0-9a-f]*", value))
    return (people & values) | {person for person in people if len(person) >= _SHORTEST_NAME and person in text}


def _people(clone: Path) -> set[str]:
    """Every name and address of the repository's authors, committers and taggers, as git tells them."""
    form = "%an%n%ae%n%cn%n%ce%n%aN%n%aE"
    lines = _git(clone, "log", "--encoding=UTF-8", f"--format={form}", "refs/gros/head").splitlines()
    lines += _git(clone, "for-each-ref", "--format=%(taggername)%0a%(taggeremail:trim)", "refs/tags").splitlines()
    return {line for line in lines if line}


def _git(folder: Path, *arguments: str, identity: bool = False) -> str:
    environment = base_environment() | ({"GIT_DIR": str(folder)} if not identity else {})
    if identity:
        for role in ("AUTHOR", "COMMITTER"):
            environment |= {f"GIT_{role}_NAME": "Example Author", f"GIT_{role}_EMAIL": "author@demo.example"}
    done = process.run(["git", *(["-C", str(folder)] if identity else []), *arguments], environment, silence=_SILENCE)
    if done.status:
        raise AgentError(f"git {arguments[0]}: {done.errors.strip()}")
    return done.output.decode(errors="replace").strip()


def _standing_in() -> str | None:
    """The repository that the working directory is in, if it has a commit."""
    arguments = ["git", "rev-parse", "--show-toplevel", "--verify", "HEAD"]
    done = process.run(arguments, base_environment(), silence=_SILENCE)
    return done.output.decode().splitlines()[0] if done.status == 0 else None


def _make_repository(folder: Path) -> str:
    """A small repository with a merge and a tag."""
    folder.mkdir()
    _git(folder, "init", "--quiet", "--initial-branch=main", identity=True)
    for number, text in enumerate(("first words", "second thoughts", "last words")):
        (folder / "text.txt").write_text(f"{text}\n" * (number + 1), encoding="utf-8")
        _git(folder, "add", "--all", identity=True)
        _git(folder, "commit", "--quiet", "-m", f"Write {text}", identity=True)
    _git(folder, "checkout", "--quiet", "-b", "idea", "HEAD~1", identity=True)
    (folder / "idea.txt").write_text("an idea\n", encoding="utf-8")
    _git(folder, "add", "--all", identity=True)
    _git(folder, "commit", "--quiet", "-m", "Note an idea", identity=True)
    _git(folder, "checkout", "--quiet", "main", identity=True)
    _git(folder, "merge", "--quiet", "--no-ff", "-m", "Merge branch 'idea'", "idea", identity=True)
    _git(folder, "tag", "-a", "v1", "-m", "First version", identity=True)
    return str(folder)


@contextlib.contextmanager
def _controller(folder: Path) -> Iterator[dict[str, str]]:
    """A reference controller in a process of its own; yields the variables that lead an agent to it."""
    command = ("controller", "serve", "--folder", str(folder), "--project", PROJECT)
    log = folder.with_name("controller.log")
    with log.open("wb") as errors:
        running = subprocess.Popen(
            [sys.executable, "-m", "gros_agent", *command, "--https-port", "0", "--ssh-port", "0"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=errors,
            cwd=folder.parent,
        )
    try:
        assert running.stdout is not None  # noqa: S101 (for the type checker)
        ready, _, _ = select.select([running.stdout], [], [], START_SECONDS)
        line = running.stdout.readline() if ready else b""
        if not line:
            raise ConfigurationError(
                f"the controller did not start: {log.read_text(errors='replace').strip()[-500:]}",
                "install what it needs: pip install 'gros-agent[controller]'",
            )
        said = json.loads(line)
        yield {
            "SSH_HOST": "127.0.0.1",
            "SSH_PORT": str(said["ssh"]),
            "SSH_HTTPS_PORT": str(said["https"]),
            "SSH_HTTPS_CERT": str(said["certificate"]),
        }
    finally:
        running.send_signal(signal.SIGTERM)
        try:
            running.wait(10)
        except subprocess.TimeoutExpired:
            running.kill()
            running.wait()
        if running.stdout is not None:
            running.stdout.close()

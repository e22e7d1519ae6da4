"""Makes the pictures of the README from the real program: its first command in a terminal, a report, the status page.

``nox -s pictures``, or ``python docs/pictures/make.py terminal report page`` with the extra ``dev``. They show the
history of this repository, and neither a name nor a folder of the machine. ``tests/test_documentation.py`` holds the
terminal's text against what the command prints.

The report has what the recordings of the tests have of GitHub, GitLab and Jira, too.

The page needs Chromium and its driver. The agent, its controller and its systems are real programs and the servers of
the tests, on loopback. Runs of former days are runs of the real command with a clock that is set back, each of which
finds some more commits. In the end one of the systems is not there any more.
"""

import io
import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import requests
from PIL import Image
from selenium import webdriver

sys.path.insert(0, str(Path(__file__).parents[2] / "tests"))

from gros_agent.rows import ChangePath, Tag, VcsVersion
from support import terminal
from support.agent import Agent, give_secrets
from support.browser import browser
from support.controller import controller, wait_until
from support.inbox import Inbox
from support.jenkins import Jenkins
from support.quality_time import QualityTime
from support.replay import serving
from support.sonarqube import SonarQube
from support.together import together

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
WIDTH = 1000
COMMITS = (4, 6, 3, 7, 5, 0, 0)
"""How many commits of the repository there are on each day of a week, Monday first."""
DAYS = 35
_AGENT = [sys.executable, "-m", "gros_agent"]
_WITHOUT_EXTRA = """
import sys
sys.modules["vl_convert"] = None
from gros_agent.__main__ import main
main()
"""
"""Runs the command as after the README's first command, which installs no extra for reports."""
RECORDED = ("github", "gitlab", "jira", "quality-time", "sonar", "jenkins")
GIT = frozenset(f"{row.table}.json" for row in (ChangePath, Tag, VcsVersion))
_BEFORE = """
import sys, time_machine
from gros_agent.__main__ import main
with time_machine.travel(sys.argv.pop(1), tick=True):
    main()
"""
"""Runs the command at another moment."""


def photographed(repository: Path, path: Path, environment: Mapping[str, str]) -> None:
    """Take a picture of the page of an agent that collects a repository."""
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        folder = Path(name)
        running = stack.enter_context(controller(folder / "controller", "--project", "DEMO"))
        home = folder / "agent"
        variables = {**environment, **running.variables(home, "DEMO"), "CRON_PERIOD": "daily"}
        with serving(SonarQube().replay) as sonar:
            _list(stack, home, repository, f"{sonar.url}/sonar")
            _work_before(repository, home, variables)
        url = stack.enter_context(_staying_up(home, variables))
        assert requests.post(f"{url}/scrape", timeout=60).status_code == requests.codes.created
        wait_until(lambda: requests.get(f"{url}/status", timeout=60).status_code == requests.codes.unavailable)
        path.write_bytes(_small(stack.enter_context(browser(folder / "browser")), url, "#chart", 64))


def reported(repository: Path, path: Path, environment: Mapping[str, str]) -> None:
    """Take a picture of the first sections of a report."""
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        folder = Path(name)
        (folder / "inbox").mkdir()
        inbox = Inbox(folder / "inbox")
        for kinds in ((), RECORDED):
            agent = Agent(folder / f"agent{len(kinds)}")
            agent.home.mkdir()
            give_secrets(agent)
            stack.enter_context(together(folder / "served", *kinds)).write(agent)
            given = () if kinds else ("--source", f"git:gros-agent={repository.as_uri()}")
            if agent.scrape(*given, variables={"TZ": "UTC"}).status:
                raise SystemExit("the scrape for the report failed")
            found = {one.name: one.read_bytes() for one in sorted(agent.export().glob("data*.json"))}
            left_out = {"data_sources.json", *(GIT if kinds else ())}
            inbox.add_files({one: found[one] for one in found if one not in left_out}, project="DEMO", zone="UTC")
        _call([*_AGENT, "report", "--from", "inbox", "--output", "report.html"], folder, environment)
        chrome = stack.enter_context(browser(folder / "browser"))
        path.write_bytes(_small(chrome, (folder / "report.html").as_uri(), "#change-requests", 20))


def _list(stack: ExitStack, home: Path, repository: Path, sonar: str) -> None:
    """Put the repository and three systems on the list of sources."""
    quality, jenkins = (stack.enter_context(serving(one.replay)).url for one in (QualityTime(), Jenkins()))
    rows = (
        ("git", "gros-agent", repository.as_uri()),
        ("quality-time", "Quality-time", quality),
        ("sonar", "SonarQube", sonar),
        ("jenkins", "Jenkins", jenkins),
    )
    export = home / "export" / "DEMO"
    export.mkdir(parents=True)
    listed = [{"type": kind, "name": name, "url": url} for kind, name, url in rows]
    (export / "data_sources.json").write_text(json.dumps(listed))


def _work_before(repository: Path, home: Path, variables: Mapping[str, str]) -> None:
    """Work on each of some former days, when the repository had not got all of its commits."""
    stamp = _call([*_AGENT, "version", "--stamp"], repository, variables)
    (home / "VERSION").write_text(stamp)
    _call([*_AGENT, "register"], home, variables)
    commits = _call(["git", "rev-list", "--first-parent", "HEAD"], repository, variables).split()
    today = datetime.now(UTC).replace(hour=2, minute=0, second=0)
    days = [today - timedelta(days=day) for day in range(DAYS, -1, -1)]
    for number, day in enumerate(days[:-1], start=1):
        later = sum(COMMITS[one.weekday()] for one in days[number:])
        _call(["git", "reset", "--quiet", "--soft", commits[later]], repository, variables)
        run = ("run", "--skip-preflight", "--trigger", "schedule")
        _call([sys.executable, "-c", _BEFORE, day.isoformat(), *run], home, variables)
    _call(["git", "reset", "--quiet", "--soft", commits[0]], repository, variables)


def _call(command: list[str], home: Path, variables: Mapping[str, str]) -> str:
    done = subprocess.run(command, cwd=home, env=dict(variables), capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{command} ended with {done.returncode}: {done.stdout}{done.stderr}")
    return done.stdout


@contextmanager
def _staying_up(home: Path, variables: Mapping[str, str]) -> Iterator[str]:
    """An agent that stays up, and the address of its web interface."""
    log = home.parent / "agent.log"
    with log.open("w") as told:
        command = [*_AGENT, "entrypoint", "--port", "0"]
        agent = subprocess.Popen(command, cwd=home, env=dict(variables), stdout=told, stderr=told)
    try:
        wait_until(lambda: agent.poll() is not None or "ready: the web interface is at" in log.read_text())
        found = re.search(r"the web interface is at .*port (\d+)", log.read_text())
        if not found:
            raise SystemExit(log.read_text())
        yield f"http://127.0.0.1:{found[1]}"
    finally:
        agent.terminate()
        agent.wait(60)


def _small(chrome: webdriver.Chrome, url: str, last: str, colours: int) -> bytes:
    """The page down to an element, in few colours."""
    chrome.set_window_size(WIDTH, 2400)
    chrome.get(url)
    chrome.execute_script("document.documentElement.style.overflow = 'hidden'")  # no scroll bar
    image = Image.open(io.BytesIO(chrome.get_screenshot_as_png())).convert("RGB")
    height = chrome.execute_script(f"return document.querySelector('{last}').getBoundingClientRect().bottom + 16")
    content = io.BytesIO()
    cut = image.crop((0, 0, image.width, int(height)))
    cut.quantize(colours, dither=Image.Dither.NONE).save(content, "PNG", optimize=True)
    return content.getvalue()


def main(wanted: list[str]) -> None:
    """Make the pictures that are asked for, or all."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        repository = folder / "gros-agent"
        subprocess.run(["git", "clone", "--quiet", "--no-hardlinks", ROOT, repository], check=True)
        subprocess.run(["git", "-C", repository, "checkout", "--quiet", "-B", "main"], check=True)
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": name,
            "TZ": "UTC",
            "LANG": "C.UTF-8",
            "TERM": "xterm-256color",
        }
        if "terminal" in wanted:
            said = terminal.printed([sys.executable, "-c", _WITHOUT_EXTRA, "demo"], repository, environment)
            (HERE / "demo.svg").write_text(terminal.drawn("gros-agent", f"$ .venv/bin/gros-agent demo\n{said}"))
        if "report" in wanted:
            reported(repository, HERE / "report.png", environment)
        if "page" in wanted:
            photographed(repository, HERE / "status-page.png", environment)


if __name__ == "__main__":
    main(sys.argv[1:] or ["terminal", "report", "page"])

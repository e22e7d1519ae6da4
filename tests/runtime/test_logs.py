"""Logs of several projects at the same time: each file has the records of its project, and all of them."""

import logging
import subprocess
import sys
from pathlib import Path

from gros_agent.controller.log_handler import ControllerHandler
from gros_agent.runtime import logs
from support.agent import ROOT

SCRIPT = """
import logging, pathlib, sys, threading
from gros_agent.cli.options import GlobalOptions
from gros_agent.runtime import logs

sys.setswitchinterval(1e-6)  # a thread is interrupted wherever it can be
log, folder, is_over = logging.getLogger("gros_agent.test"), pathlib.Path(sys.argv[1]), threading.Event()

def load():
    options = GlobalOptions(quiet=True)
    while not is_over.is_set():
        options.set_up_log("INFO")

def scrape(project):
    with logs.of_project(project):
        for number in range(200):
            file = logs.ProjectLog(folder / f"{project}-{number}.log")
            log.error("of %s", project)
            file.end(0)

loading = [threading.Thread(target=load) for _ in range(3)]
scraping = [threading.Thread(target=scrape, args=(f"P{number}",)) for number in range(6)]
for one in loading + scraping: one.start()
for one in scraping: one.join()
is_over.set()
for one in loading: one.join()
"""


def test_of_projects_at_the_same_time(tmp_path: Path) -> None:
    """Handlers that come and go at the logger would lose some of them."""
    words = [sys.executable, "-c", SCRIPT, str(tmp_path)]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    files = sorted(tmp_path.iterdir())
    assert len(files) == 6 * 200
    wrong = {file.name: file.read_text() for file in files if len(file.read_text().splitlines()) != 2}
    assert not wrong


class Client:
    """Stands for the client of a controller."""

    def __init__(self) -> None:
        self.said: list[tuple[str, str]] = []

    def log(self, project: str, content: dict[str, str]) -> None:
        self.said.append((project, content["message"]))


def test_each_goes_to_the_controller_as_that_of_its_project() -> None:
    client, logger = Client(), logging.getLogger("gros_agent.test_logs")
    handler = ControllerHandler(client, "PA")  # type: ignore[arg-type]
    handler.add("PB")
    logger.addHandler(handler)
    try:
        for project in ("PA", "PB", "PC"):
            with logs.of_project(project):
                logger.error("%d", len(project))
        logger.error("of none")
    finally:
        logger.removeHandler(handler)
        handler.close()
    assert client.said == [("PA", "2"), ("PB", "2"), ("PA", "of none")]

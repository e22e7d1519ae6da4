"""The status page in a browser: it moves without being loaded again, fits a phone, and asks nobody but its agent."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from selenium import webdriver
from selenium.common.exceptions import StaleElementReferenceException
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.ui import WebDriverWait

from gros_agent.errors import BusyError, ExitStatus
from gros_agent.project.report import Outcome
from gros_agent.run.history import Ended, History
from gros_agent.service.duty import Access, Attention
from support.browser import browser as opened
from support.browser import is_there
from support.duty import FakeDuty, Running, web

pytestmark = pytest.mark.integration

LONG = "https://gitlab.example/" + "a-name-that-never-ends/" * 6 + "x" * 300
SECONDS = 15


@pytest.fixture(scope="module")
def started(tmp_path_factory: pytest.TempPathFactory) -> Iterator[webdriver.Chrome]:
    if not is_there():
        pytest.skip("chromium and chromedriver are not installed")
    with opened(tmp_path_factory.mktemp("browser")) as chrome:
        yield chrome


@pytest.fixture
def browser(started: webdriver.Chrome) -> webdriver.Chrome:
    """The browser, with nothing left of the test before."""
    started.get("about:blank")
    complaints(started)
    return started


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Running]:
    with web(FakeDuty(History(tmp_path / "state" / "history.db"))) as served:
        yield served


def run(history: History, project: str = "ABC") -> int:
    """A run with a source that failed."""
    number = history.begin(project, "schedule")
    history.stage(number, "export")
    fine = Outcome(source=LONG, kind="git", items=5, expected=7, seconds=70, notes=("a note",))
    bad = Outcome(source="reports", kind="sonar", status=ExitStatus.PARTLY, error=f"it broke: {LONG}", hint="mend it")
    tables = {"data_tag": 2, "data_vcs_versions": 1234}
    ended = Ended(status=ExitStatus.PARTLY, outcomes=(fine, bad), tables=tables, delivered_rows=1236)
    history.end(number, ended)
    return number


def find(browser: webdriver.Chrome, selector: str) -> WebElement:
    return browser.find_element(By.CSS_SELECTOR, selector)


def wait(browser: webdriver.Chrome, condition: Callable[[], object]) -> None:
    ignored = [StaleElementReferenceException]  # parts of the page are replaced now and then
    WebDriverWait(browser, SECONDS, poll_frequency=0.1, ignored_exceptions=ignored).until(lambda _: condition())


def text(browser: webdriver.Chrome, selector: str) -> str:
    return str(browser.execute_script("return document.querySelector(arguments[0]).innerText", selector))


def complaints(browser: webdriver.Chrome) -> list[str]:
    """What the browser said of the page: scripts that failed, and what its policy forbids."""
    return [entry["message"] for entry in browser.get_log("browser")]  # type: ignore[no-untyped-call]


def test_run_is_opened(browser: webdriver.Chrome, running: Running) -> None:
    number = run(running.duty.history)
    browser.get(running.url)
    details = find(browser, f"#run-{number} .details")
    assert not details.is_displayed()
    find(browser, f"#run-{number} summary").click()
    assert details.is_displayed()
    said = details.text
    for words in (
        "5 of 7",
        "1 min 10 s",
        "a note",
        "it broke",
        "mend it",
        "data_vcs_versions",
        "1,234",
        "took 1,236 rows",
    ):
        assert words in said, words
    assert "Needs attention" in text(browser, "#state")
    assert complaints(browser) == []


def test_run_moves_without_loading_the_page_again(browser: webdriver.Chrome, running: Running) -> None:
    duty, history = running.duty, running.duty.history
    before = run(history)
    browser.get(running.url)
    browser.execute_script("window.isSame = true")
    find(browser, f"#run-{before} summary").click()
    assert not find(browser, "#live").is_displayed()
    duty.is_running = True
    number = history.begin("ABC", "schedule")
    history.stage(number, "scrape")
    history.progress(number, "source one", 10, 1000)
    wait(browser, lambda: "10 of 1,000" in text(browser, "#live"))
    assert "Running" in text(browser, "#state")
    assert find(browser, ".stages .now").text == "scrape"
    assert [one.text for one in browser.find_elements(By.CSS_SELECTOR, ".stages .done")] == [
        "register",
        "preflight",
    ]
    assert not find(browser, "#start button").is_enabled()
    time.sleep(0.6)
    history.progress(number, "source two", 900, 1000)
    wait(browser, lambda: "900 of 1,000" in text(browser, "#live"))
    assert "source two" in text(browser, "#live")
    assert find(browser, "#progress").get_property("value") == 900
    history.stage(number, "export")
    wait(browser, lambda: find(browser, ".stages .now").text == "export")
    history.end(number, Ended(status=ExitStatus.DONE, tables={"data_tag": 5}))
    duty.is_running = False
    wait(browser, lambda: "Idle" in text(browser, "#state"))
    assert not find(browser, "#live").is_displayed()
    assert "done" in text(browser, f"#summary-{number}")
    assert find(browser, f"#run-{before}").get_attribute("open")  # what was opened stays so
    assert find(browser, "#start button").is_enabled()
    assert browser.execute_script("return window.isSame") is True
    assert complaints(browser) == []


def test_scrape_is_started(browser: webdriver.Chrome, running: Running) -> None:
    browser.get(running.url)
    find(browser, "#start button").click()
    wait(browser, lambda: "A scrape was started" in text(browser, "#result"))
    assert running.duty.started == ["request"]
    wait(browser, lambda: "Running" in text(browser, "#state"))
    assert browser.current_url == f"{running.url}/"


def test_scrape_is_refused(browser: webdriver.Chrome, running: Running) -> None:
    running.duty.refusal = BusyError("another process <scrapes>")
    browser.get(running.url)
    find(browser, "#start button").click()
    wait(browser, lambda: "another process <scrapes>" in text(browser, "#result"))
    assert find(browser, "#start button").is_enabled()


def test_form_works_without_scripts(browser: webdriver.Chrome, running: Running) -> None:
    """The browser says that the form is our own, in spite of what the page tells it of referrers."""
    browser.get(running.url)
    browser.execute_script("document.getElementById('start').submit()")
    wait(browser, lambda: "ok" in text(browser, "body"))
    assert running.duty.started == ["request"]


def test_other_sites_page_starts_nothing(browser: webdriver.Chrome, running: Running, tmp_path: Path) -> None:
    page = tmp_path / "evil.html"
    page.write_text(
        f'<form method="post" action="{running.url}/scrape"></form><script>document.forms[0].submit()</script>'
    )
    browser.get(page.as_uri())
    wait(browser, lambda: "another site" in text(browser, "body"))
    assert running.duty.started == []


def test_asks_nobody_else(browser: webdriver.Chrome, running: Running) -> None:
    run(running.duty.history)
    for path in ("/", "/api"):
        browser.get(running.url + path)
        wait(browser, lambda: browser.execute_script("return document.readyState") == "complete")
        time.sleep(0.3)
        entries = browser.execute_script("return performance.getEntries().map(one => one.name)")
        asked = {urlsplit(name).netloc for name in entries if "://" in name}
        assert asked == {f"127.0.0.1:{running.port}"}
    assert complaints(browser) == []


@pytest.mark.parametrize("width", [360, 390, 1280])
def test_nothing_is_wider_than_the_screen(browser: webdriver.Chrome, running: Running, width: int) -> None:
    duty = running.duty
    number = run(duty.history, "A" * 40)
    duty.projects = ("A" * 40, *(f"PROJECT{index}" for index in range(30)))
    duty.found_obstacles.append(Attention(LONG, LONG))
    duty.is_running = True
    going_on = duty.history.begin("ABC", "x" * 100)
    duty.history.progress(going_on, LONG, 1, 2)
    metrics = {"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": width < 500}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    try:
        for path in ("/", "/api"):
            browser.get(running.url + path)
            if path == "/":
                browser.execute_script("document.querySelectorAll('details').forEach(one => one.open = true)")
                assert find(browser, f"#run-{number} .details").is_displayed()
            assert browser.execute_script("return document.documentElement.scrollWidth") <= width
    finally:
        browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


def test_token_is_the_password(browser: webdriver.Chrome, running: Running) -> None:
    running.duty.access = Access(token="secret")
    number = run(running.duty.history)
    browser.get(f"http://anybody:secret@127.0.0.1:{running.port}/")
    assert find(browser, f"#run-{number}").is_displayed()
    find(browser, "#start button").click()
    wait(browser, lambda: "A scrape was started" in text(browser, "#result"))


def test_says_when_the_agent_does_not_answer(browser: webdriver.Chrome, tmp_path: Path) -> None:
    with web(FakeDuty(History(tmp_path / "history.db"))) as running:
        browser.get(running.url)
        assert not find(browser, "#connection").is_displayed()
    wait(browser, lambda: find(browser, "#connection").is_displayed())

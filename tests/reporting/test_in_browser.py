"""A report in a browser: wide, on a phone, dark and on paper; it asks for nothing but its own file."""

import base64
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from selenium import webdriver

from support.agent import Agent
from support.browser import browser as opened
from support.browser import is_there
from support.inbox import Inbox
from support.rows import commit, request

pytestmark = pytest.mark.integration
LONG = "a-name-without-an-end-" * 10


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[webdriver.Chrome]:
    if not is_there():
        pytest.skip("chromium and chromedriver are not installed")
    with opened(tmp_path_factory.mktemp("browser")) as chrome:
        yield chrome


@pytest.fixture
def page(agent: Agent, inbox: Inbox) -> str:
    """The address of a report of two repositories, one of them with a long name."""
    rows = [
        commit(f"{month:039x}{number}", repo_name=name, commit_date=f"2023-{month:02}-01 12:00:00", insertions="7")
        for month in range(1, 13)
        for number, name in enumerate(("code", LONG))
    ]
    inbox.add(rows, [request(number, status="merged") for number in range(1, 5)])
    done = agent("report", "--from", inbox.folder, "--output", "report.html")
    assert done.status == 0, done
    return (agent.home / "report.html").as_uri()


def look(browser: webdriver.Chrome, page: str, width: int, scheme: str = "light") -> None:
    given = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 500}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", given)
    features = [{"name": "prefers-color-scheme", "value": scheme}]
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "", "features": features})
    browser.get(page)


def said(browser: webdriver.Chrome, script: str) -> Any:
    return browser.execute_script(f"return {script}")


VISIBLE = "[...document.querySelectorAll('{}')].filter(one => one.checkVisibility()).length"


@pytest.mark.parametrize("width", [390, 760, 1280])
def test_fits(browser: webdriver.Chrome, page: str, width: int) -> None:
    """Nothing is wider than the screen, and each figure has the drawing that is made for it."""
    look(browser, page, width)
    assert said(browser, "document.documentElement.scrollWidth") <= width
    narrow, wide = (said(browser, VISIBLE.format(f".{name} svg")) for name in ("on-narrow", "on-wide"))
    assert (narrow > 0, wide > 0) == (width <= 760, width > 760)
    assert narrow + wide == said(browser, VISIBLE.format("figure:not(.plain)"))


def test_loads_nothing_and_complains_of_nothing(browser: webdriver.Chrome, page: str) -> None:
    look(browser, page, 1280)
    assert said(browser, "performance.getEntriesByType('resource').length") == 0
    assert browser.get_log("browser") == []  # type: ignore[no-untyped-call]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_contrast(browser: webdriver.Chrome, page: str, scheme: str) -> None:
    """Texts have a contrast of at least 4.5 with what is behind them, and the colours of charts one of 3."""
    look(browser, page, 1280, scheme)
    style = "getComputedStyle(document.documentElement).getPropertyValue('--{}').trim()"
    colours = {
        name: said(browser, style.format(name))
        for name in ("paper", "ground", "ink", "quiet", "accent", "good", "bad", *(f"s{one}" for one in range(1, 7)))
    }
    for ground in ("paper", "ground"):
        for text in ("ink", "quiet", "accent"):
            assert contrast(colours[text], colours[ground]) >= 4.5, (text, ground)
    for name in ("good", "bad", *(f"s{one}" for one in range(1, 6))):
        assert contrast(colours[name], colours["paper"]) >= 3, name
    assert said(browser, "getComputedStyle(document.querySelector('svg [fill=\"var(--s1)\"]')).fill") == rgb(
        colours["s1"]
    )


def rgb(colour: str) -> str:
    return f"rgb({', '.join(str(one) for one in bytes.fromhex(colour[1:]))})"


def contrast(one: str, other: str) -> float:
    """As WCAG has it."""

    def light(colour: str) -> float:
        parts = [part / 255 for part in bytes.fromhex(colour[1:])]
        red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
        return 0.2126 * red + 0.7152 * green + 0.0722 * blue

    lighter, darker = sorted((light(one), light(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def test_on_paper(browser: webdriver.Chrome, page: str, tmp_path: Path) -> None:
    """Printing takes the light colours, whatever the scheme of the screen is, and leaves out what can't be opened."""
    look(browser, page, 1280, "dark")
    browser.execute_cdp_cmd(
        "Emulation.setEmulatedMedia",
        {"media": "print", "features": [{"name": "prefers-color-scheme", "value": "dark"}]},
    )
    assert said(browser, "getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert said(browser, VISIBLE.format("details")) == 0
    assert said(browser, VISIBLE.format(".on-narrow svg")) == 0
    inside = "[...document.querySelectorAll('figure')].every(one => getComputedStyle(one).breakInside === 'avoid')"
    assert said(browser, inside)
    printed = browser.execute_cdp_cmd("Page.printToPDF", {})
    (tmp_path / "report.pdf").write_bytes(base64.b64decode(printed["data"]))
    assert (tmp_path / "report.pdf").read_bytes().startswith(b"%PDF")


def test_tables_open(browser: webdriver.Chrome, page: str) -> None:
    look(browser, page, 390)
    summary = browser.find_element("css selector", "#commits summary")
    assert said(browser, VISIBLE.format("#table-commits")) == 0
    summary.click()
    assert said(browser, VISIBLE.format("#table-commits")) == 1
    assert said(browser, "document.documentElement.scrollWidth") <= 390

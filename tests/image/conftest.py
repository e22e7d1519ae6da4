"""A real container engine, the real image, and containers that are gone after each test."""

import fcntl
import os
import shutil
import tempfile
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from support.agent import ROOT
from support.containers import IMAGE, Container, Engine, find_engine


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker("integration")


@pytest.fixture(scope="session")
def engine() -> Engine:
    """The engine that is there; it skips, or fails where GROS_REQUIRE_ENGINE is set, where there is none."""
    found = find_engine()
    if isinstance(found, Engine):
        return found
    if os.environ.get("GROS_REQUIRE_ENGINE"):
        pytest.fail(found)
    pytest.skip(found)


@pytest.fixture(scope="session")
def context(tmp_path_factory: pytest.TempPathFactory) -> Callable[[], Path]:
    """Makes copies of what a builder sees of this checkout."""

    def copy() -> Path:
        folder = tmp_path_factory.mktemp("context")
        for name in ("Dockerfile", ".dockerignore", "pyproject.toml", "README.md", "LICENSE"):
            shutil.copy(ROOT / name, folder)
        for name in ("src", "deploy"):
            shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"))
        (folder / "certs").mkdir()
        shutil.copy(ROOT / "certs" / "README.md", folder / "certs")
        return folder

    return copy


@pytest.fixture(scope="session")
def image(engine: Engine, context: Callable[[], Path]) -> str:
    """The image of this checkout, built once for all workers."""
    with (Path(tempfile.gettempdir()) / "gros-agent-image.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        engine.build(context(), IMAGE)
    return IMAGE


@pytest.fixture
def cleaned() -> Iterator[ExitStack]:
    """What has to be removed after a test, the newest first."""
    with ExitStack() as stack:
        yield stack


@pytest.fixture
def run(engine: Engine, image: str, cleaned: ExitStack) -> Callable[..., Container]:
    """Starts containers: engine options, then the command as ``command=``."""

    def start(*options: str, command: tuple[str, ...] = (), of: str = image) -> Container:
        one = engine.start(*options, image=of, command=command)
        cleaned.callback(one.remove)
        return one

    return start


@pytest.fixture
def volume(engine: Engine, cleaned: ExitStack) -> Callable[[], str]:
    """Makes named volumes."""

    def make() -> str:
        name = engine("volume", "create").strip()
        cleaned.callback(engine, "volume", "rm", "--force", name)
        return name

    return make


@pytest.fixture
def network(engine: Engine, cleaned: ExitStack) -> str:
    """A network in which containers know each other by name."""
    name = f"gros-agent-{uuid.uuid4().hex[:12]}"
    engine("network", "create", name)
    cleaned.callback(engine, "network", "rm", name)
    return name


@pytest.fixture
def tag(engine: Engine, cleaned: ExitStack) -> str:
    """A name for an image that is gone after the test."""
    name = f"gros/data-gathering:{uuid.uuid4().hex[:12]}"
    cleaned.callback(engine.call, "rmi", "--force", name, ok=False)
    return name

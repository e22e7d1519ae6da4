"""The rooms of the package: imports go down the list in ARCHITECTURE.md, and tests lie in rooms of the same names."""

import ast
import importlib
import pkgutil
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

import gros_agent
from gros_agent import errors
from support.agent import ROOT

PACKAGE = ROOT / "src" / "gros_agent"
TREE = re.findall(r"^  ([a-z_]+)(/|\.py) ", (ROOT / "ARCHITECTURE.md").read_text(), re.MULTILINE)
ORDER = [name for name, _ in TREE]
"""The rooms, the topmost first."""
BESIDE = {"__init__", "__main__"}
"""What makes the package one, and what starts it."""
MOST_FLAT = 4


def modules() -> Iterator[tuple[str, ast.Module]]:
    """Each module of the package as its dotted name and its code."""
    for path in sorted(PACKAGE.rglob("*.py")):
        yield ".".join(path.relative_to(PACKAGE).with_suffix("").parts), ast.parse(path.read_text())


def room(name: str) -> str:
    return name.partition(".")[0]


def imported(code: ast.Module) -> Iterator[str]:
    """The rooms that a module imports from, wherever in it that is done."""
    for node in ast.walk(code):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.partition(".")[0] == "gros_agent":
            inside = node.module.partition(".")[2]
            yield from [room(inside)] if inside else [one.name for one in node.names if one.name != "__version__"]
        elif isinstance(node, ast.Import):
            yield from (room(one.name.partition(".")[2]) for one in node.names if one.name.startswith("gros_agent."))


def arrows() -> set[tuple[str, str]]:
    return {(room(name), other) for name, code in modules() for other in imported(code) if other != room(name)}


def test_the_page_has_every_room() -> None:
    packages = {path.parent.name for path in PACKAGE.glob("*/__init__.py")}
    flat = {path.stem for path in PACKAGE.glob("*.py")}
    assert set(ORDER) == packages | flat - BESIDE
    assert len(flat) <= MOST_FLAT


def test_imports_go_down() -> None:
    found = {(one, other) for one, other in arrows() if one not in BESIDE}
    assert ("run", "collect") in found  # it does see some
    upwards = {(one, other) for one, other in found if ORDER.index(other) <= ORDER.index(one)}
    assert not upwards


@pytest.mark.parametrize("package", [path.parent for path in PACKAGE.rglob("__init__.py")], ids=lambda path: path.name)
def test_every_room_says_what_it_is(package: Path) -> None:
    assert ast.get_docstring(ast.parse((package / "__init__.py").read_text()))


def test_tests_lie_in_rooms_of_the_same_names() -> None:
    beside = {"support", "image", "recordings", "schema"}
    folders = {
        path.name for path in (ROOT / "tests").iterdir() if path.is_dir() and not path.name.startswith(("_", "."))
    }
    assert folders - beside <= set(ORDER)
    assert {room for room in ORDER if (PACKAGE / room).is_dir()} - folders <= {"rows"}


def test_one_name_is_one_module() -> None:
    """Outside of the sources, which have the same parts, and of the commands, which are called as what they call."""
    paths = [path.relative_to(PACKAGE) for path in PACKAGE.rglob("*.py")]
    names = Counter(
        path.parent.name if path.name == "__init__.py" else path.stem
        for path in paths
        if path.parts[0] != "cli" and (path.parts[0] != "sources" or path.parts[1] == "common")
    )
    assert [name for name, count in names.items() if count > 1] == []


def test_one_name_is_one_class() -> None:
    """Outside of the packages of sources: what a system has, they call as the system does."""
    names = Counter(
        node.name
        for name, code in modules()
        for node in code.body
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_") and not _is_of_one_source(name)
    )
    assert [name for name, count in names.items() if count > 1] == []


def _is_of_one_source(name: str) -> bool:
    parts = name.split(".")
    return parts[0] == "sources" and len(parts) > 2 and parts[1] != "common"


def test_types_are_built_by_one_thread_at_a_time() -> None:
    """Whatever decodes JSON to a type takes the decoder that all threads share, since projects run in threads."""
    found = {
        name
        for name, code in modules()
        for node in ast.walk(code)
        if isinstance(node, ast.Call)
        and ast.unparse(node.func) in {"msgspec.json.decode", "json.decode", "msgspec.json.Decoder"}
        and (any(one.arg == "type" for one in node.keywords) or ast.unparse(node.func).endswith("Decoder"))
    }
    assert found == {"runtime.decoding"}


def test_the_tree_of_errors_has_every_error() -> None:
    """With the exit status of each."""
    for module in pkgutil.walk_packages(gros_agent.__path__, "gros_agent."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)
    drawn = {name: int(status) for name, status in re.findall(r"(\w+) +(\d)  ", errors.__doc__ or "")}
    known: list[type[errors.AgentError]] = [errors.AgentError, *_below(errors.AgentError)]
    assert drawn == {one.__name__: int(one.status) for one in known}


def _below(error: type[errors.AgentError]) -> Iterator[type[errors.AgentError]]:
    for one in error.__subclasses__():
        if one.__module__.startswith("gros_agent."):
            yield one
            yield from _below(one)

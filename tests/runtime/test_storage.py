"""Files that several threads replace at the same time, as those of several projects do."""

import threading
from pathlib import Path

from gros_agent.runtime.storage import clear_leftovers, replace_file


def test_replaced_by_many(tmp_path: Path) -> None:
    """The file is whole at any moment, and nobody fails."""
    path, start, wrong = tmp_path / "key", threading.Barrier(8), list[BaseException]()
    contents = {b"%d" % number * 1000 for number in range(8)}

    def replace(content: bytes) -> None:
        start.wait()
        try:
            for _ in range(20):
                replace_file(path, content)
                assert path.read_bytes() in contents
        except BaseException as error:  # noqa: BLE001 (told by the test)
            wrong.append(error)

    threads = [threading.Thread(target=replace, args=(content,)) for content in contents]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert not wrong
    assert [one.name for one in tmp_path.iterdir()] == ["key"]


def test_left_by_a_killed_process(tmp_path: Path) -> None:
    for name in (".key.999999999.new", ".key.12.999999999.new"):
        (tmp_path / name).touch()
    clear_leftovers(tmp_path)
    assert not list(tmp_path.iterdir())

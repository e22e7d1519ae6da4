"""The pieces of a cluster by themselves: keys, certificates, tables that arrive, folders and host keys."""

import hashlib
import os
import stat
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest
from cryptography import x509

from gros_agent.cluster.arrival import PIECE_BYTES, take_over
from gros_agent.cluster.certificates import ROLES, certificate_of, make_certificates
from gros_agent.cluster.connecting import ClusterOptions, connected
from gros_agent.cluster.host_keys import pin
from gros_agent.cluster.messages import LeftTable, WorkerAnswer, contents_of_files
from gros_agent.cluster.placement import Placement
from gros_agent.cluster.sealing import KEY_FILE, ClusterKey, make_key
from gros_agent.cluster.slot import take_slot
from gros_agent.cluster.working import _capacity
from gros_agent.errors import ConfigurationError, SourceError
from gros_agent.rows import Tag
from gros_agent.rows.fitting import Changed
from gros_agent.settings.home import Home
from gros_agent.tables.writer import Repeated
from support.sources import context as source_context

ROW = msgspec.json.encode(
    Tag(repo_name="a", tag_name="v1", version_id="1", message="x", tagged_date="0", tagger="0", tagger_email="0")
)
GOOD = b"[\n" + ROW + b"\n]\n"


def test_sealed(tmp_path: Path) -> None:
    make_key(tmp_path / "one")
    make_key(tmp_path / "other")
    key, other = ClusterKey.read(tmp_path / "one"), ClusterKey.read(tmp_path / "other")
    sealed = key.seal("canary")
    assert b"canary" not in sealed
    assert key.unseal(sealed) == "canary"
    with pytest.raises(ConfigurationError, match="different keys"):
        other.unseal(sealed)
    assert stat.S_IMODE((tmp_path / "one").stat().st_mode) == 0o600


@pytest.mark.parametrize("content", [None, "", "no key", "é" * 44])
def test_damaged_key(tmp_path: Path, content: str | None) -> None:
    if content is not None:
        (tmp_path / KEY_FILE).write_text(content)
    with pytest.raises(ConfigurationError) as error:
        ClusterKey.read(tmp_path / KEY_FILE)
    assert KEY_FILE in error.value.message
    assert error.value.hint


def test_certificates(tmp_path: Path) -> None:
    """The scheduler gets no key of the tasks, nobody the key of the authority, and none is made twice."""
    folders = make_certificates(tmp_path / "all")
    assert set(folders) == set(ROLES)
    assert [role for role in ROLES if (folders[role] / KEY_FILE).exists()] == ["coordinator", "worker"]
    for role, folder in folders.items():
        one = x509.load_pem_x509_certificate(certificate_of(folder, role).read_bytes())
        authority = x509.load_pem_x509_certificate((folder / "authority.pem").read_bytes())
        one.verify_directly_issued_by(authority)
        assert all(stat.S_IMODE(path.stat().st_mode) == 0o600 for path in folder.glob("*.key"))
    assert not list((tmp_path / "all").rglob("authority*.key"))
    with pytest.raises(ConfigurationError, match="exists already"):
        make_certificates(tmp_path / "all")


def answer(content: bytes, count: int) -> WorkerAnswer:
    left = LeftTable(
        size=len(content),
        digest=hashlib.blake2b(content).digest(),
        count=count,
        changed=Changed(),
        repeated=Repeated(),
    )
    return WorkerAnswer(
        worker="tls://worker:1",
        name="tls://worker:1",
        identity="1",
        seconds=1.0,
        end={},
        folder="left",
        tables={Tag.table: left},
    )


def pieces(content: bytes, asked: list[int]) -> Callable[[str, int, int], bytes]:
    def fetch(_table: str, offset: int, most: int) -> bytes:
        asked.append(most)
        return content[offset : offset + most]

    return fetch


def test_pieces_are_bounded(tmp_path: Path) -> None:
    row = ROW.replace(b'"x"', b'"' + b"x" * (1 << 20) + b'"')
    content = b"[\n" + b",\n".join(row.replace(b'"v1"', b'"v%d"' % number) for number in range(9)) + b"\n]\n"
    asked: list[int] = []
    found = take_over(answer(content, 9), [Tag], tmp_path / "part", pieces(content, asked)).tables[Tag.table]
    assert found.count == 9
    assert found.path.read_bytes() == content
    assert max(asked) == PIECE_BYTES
    assert len(asked) == 3


@pytest.mark.parametrize(
    ("content", "count", "arrives"),
    [
        (GOOD, 1, GOOD[:-3]),
        (GOOD, 1, b""),
        (GOOD, 2, GOOD),
        (GOOD.replace(b'"v1"', b"1"), 1, None),
        (GOOD.replace(b'{"', b"{"), 1, None),
    ],
)
def test_tables_that_are_not_what_was_left(tmp_path: Path, content: bytes, count: int, arrives: bytes | None) -> None:
    fetch = pieces(content if arrives is None else arrives, [])
    with pytest.raises(SourceError) as error:
        take_over(answer(content, count), [Tag], tmp_path / "part", fetch)
    assert "tls://worker:1" in error.value.message


def test_folder_that_is_not_shared(tmp_path: Path) -> None:
    (tmp_path / "shared").mkdir()
    with pytest.raises(SourceError, match="is not there") as error:
        take_over(answer(GOOD, 1), [Tag], tmp_path / "part", tmp_path / "shared")
    assert "--shared" in error.value.hint


def test_slots_are_of_one_process_each(tmp_path: Path) -> None:
    """What a killed worker left is removed, its clones and its identity stay."""
    first, second = take_slot(tmp_path / "workers"), take_slot(tmp_path / "workers")
    assert [first.path.name, second.path.name] == ["0", "1"]
    assert first.identity != second.identity
    assert first.cores == max(1, len(os.sched_getaffinity(0)) // 2)
    (first.tables / "left").mkdir()
    (first.files / "key").write_text("secret")
    (first.clones / "TEST").mkdir(parents=True)
    os.close(first.descriptor)  # as its end does
    again = take_slot(tmp_path / "workers")
    assert (again.path, again.identity) == (first.path, first.identity)
    assert not list(again.tables.iterdir())
    assert not list(again.files.iterdir())
    assert (again.clones / "TEST").is_dir()
    assert stat.S_IMODE(again.path.stat().st_mode) == 0o700


def test_shared_folder_of_a_killed_worker(tmp_path: Path) -> None:
    """What it left there is removed by the next one with its folder; that of others stays."""
    slot = take_slot(tmp_path / "workers")
    shared = tmp_path / "shared"
    for name in (f"worker-{slot.identity}-1", "worker-other-1"):
        (shared / name).mkdir(parents=True)
    assert slot.new_tables(shared).parent == shared
    assert [path.name for path in shared.iterdir()] == ["worker-other-1"]
    assert slot.new_tables(None).parent == slot.tables
    slot.new_tables(shared).mkdir()
    assert slot.new_tables(shared).parent == shared
    assert len(list(shared.iterdir())) == 2


def test_placement(tmp_path: Path) -> None:
    """A part that was not collected keeps its place, a source that is gone is forgotten, a damaged file is none."""
    one = Placement(tmp_path, "TEST")
    one.keep({"code": "1", "other": "2"}, {"code", "other"})
    two = Placement(tmp_path, "TEST")
    assert [two.last(Path("repos/TEST", name)) for name in ("code", "other", "new")] == ["1", "2", ""]
    two.keep({"other": "3"}, {"other"})
    assert [Placement(tmp_path, "TEST").last(Path(name)) for name in ("code", "other")] == ["", "3"]
    (tmp_path / "cluster" / "TEST.json").write_text('["x')
    assert Placement(tmp_path, "TEST").last(Path("other")) == ""


def test_host_keys_of_workers(tmp_path: Path) -> None:
    path = tmp_path / "state" / "known_hosts"
    assert pin(path, b"") is None
    assert not path.exists()
    assert pin(path, b"host ssh-ed25519 AAAA\nhost ssh-rsa BBBB\n") is None
    assert pin(path, b"other ssh-ed25519 CCCC\nhost ssh-ed25519 AAAA\n") is None
    assert path.read_bytes() == b"host ssh-ed25519 AAAA\nhost ssh-rsa BBBB\nother ssh-ed25519 CCCC\n"
    refused = pin(path, b"third ssh-ed25519 EEEE\nhost ssh-ed25519 DDDD\n")
    assert refused
    assert "another host key" in refused.message
    assert b"EEEE" not in path.read_bytes()


@pytest.mark.parametrize(("parts", "each"), [(1, 8), (4, 2), (8, 1), (64, 1)])
def test_parts_share_the_requests_to_a_host(parts: int, each: int) -> None:
    """Eight in all, whatever the number of parts of one host may be."""
    places = _capacity(1, parts).traffic("host", "account")._places
    assert [places.acquire(blocking=False) for _ in range(each + 1)] == [True] * each + [False]


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("coordinator.pem", "garbage\n", "can't be used"),
        ("authority.pem", "garbage\n", "can't be used"),
        ("coordinator.key", None, "KEY_VALUES_MISMATCH"),
        ("parts.key", "\n", "not the key of a cluster"),
    ],
)
def test_damaged_certificates(tmp_path: Path, name: str, content: str | None, reason: str) -> None:
    """The error names what is wrong on this machine, and does not suspect the scheduler."""
    folder = make_certificates(tmp_path / "all")["coordinator"]
    other = make_certificates(tmp_path / "others")["coordinator"]
    (folder / name).write_text((other / name).read_text() if content is None else content)
    options = ClusterOptions(address="tls://127.0.0.1:9", certificates=folder, per_host=4)
    with (
        pytest.raises(ConfigurationError, match=reason) as error,
        connected(options, Home.of(tmp_path, {})),
    ):
        pass
    assert str(folder) in error.value.message


def test_key_that_a_web_page_wrote(tmp_path: Path) -> None:
    """Workers get it as ssh takes it. Of another one they would make a copy for each part, which stays."""
    (tmp_path / "key").write_bytes(b"first\r\nlast")
    context = source_context(tmp_path, "git", "ssh://host/x")
    context = replace(context, host=replace(context.host, key=tmp_path / "key"))
    assert contents_of_files(context)[tmp_path / "key"] == b"first\nlast\n"

"""The parts of a cluster by themselves: keys, certificates, tables that arrive, and how many parts are in flight."""

import hashlib
import stat
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
from cryptography import x509

from gros_agent.cluster.arrival import PIECE_BYTES, take_over
from gros_agent.cluster.certificates import ROLES, certificate_of, make_certificates
from gros_agent.cluster.errand import LeftTable, WorkerAnswer
from gros_agent.cluster.flight import Flight
from gros_agent.cluster.sealing import KEY_FILE, ClusterKey, make_key
from gros_agent.collect.engine import PER_HOST, Job
from gros_agent.collect.part import PartDescription
from gros_agent.errors import ConfigurationError, SourceError
from gros_agent.options.hosts import Host
from gros_agent.project.boundary import Bounds
from gros_agent.rows import Tag
from gros_agent.rows.fitting import Changed
from gros_agent.sources import sources
from gros_agent.sources.base import Context, Part, SourceEntry
from gros_agent.tables.writer import Repeated

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
    return WorkerAnswer(worker="tls://worker:1", seconds=1.0, end={}, folder="left", tables={Tag.table: left})


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


def jobs(*hosts: str | None) -> list[Job]:
    found = []
    for number, host in enumerate(hosts):
        entry = SourceEntry("git", f"code{number}", "git://host/code")
        context = Context(entry=entry, host=Host(), folder=Path("x"), known_hosts=Path("y"))
        bounds = Bounds("TEST", Path(), 1.0, None)
        git = sources()["git"]
        description = PartDescription(source=git, context=context, since=None, bounds=bounds)
        found.append(Job(number, Part(entry, git), description, host))
    return found


def test_no_host_has_too_many_parts_in_flight() -> None:
    """Those that wait for their host let others pass, and keep their order."""
    flight = Flight(jobs(*["one"] * 6, "two", None, None))
    first = flight.ready(7)
    assert [job.number for job in first] == [0, 1, 2, 3, 6, 7, 8]
    assert PER_HOST == 4
    for job in first:
        flight.begin(job.number, job)
    assert flight.ready(100) == []
    flight.end(0)
    (following,) = flight.ready(100)
    assert following.number == 4
    flight.begin(4, following)
    flight.again(flight.end(1))
    assert [job.number for job in flight.ready(100)] == [1]
    assert flight.goes_on


def test_the_window_is_bounded() -> None:
    assert len(Flight(jobs(*[None] * 100)).ready(10)) == 10

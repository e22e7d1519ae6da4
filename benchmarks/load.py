"""Loads a batch into databases, side by side: ours, the reading of JSON that DuckDB has, and copying by psql.

Usage: python benchmarks/load.py [--commits 200000] [--paths 5] [--runs 3] [--with duckdb,postgresql]

The batch has commits and for each of them some changed files. For DuckDB, ours is measured against ``CREATE TABLE AS``
with ``read_json`` and the types of our columns, under the same limits: it checks nothing and has no keys. For
PostgreSQL, whose server is started, ours is measured against psql, which copies the same rows as CSV into a temporary
table of the same types, and has the same statement put them into the same tables. Each is timed as a process, from its
start to its end, first into new tables, then (ours and psql) with the same rows once more. In each round all have their
turn. Peak memory is that of the process; the server's is not counted.
"""

import argparse
import csv
import json
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from gros_agent.database import loading
from gros_agent.database.columns import Column, Kind
from gros_agent.database.definitions import TYPES, TableDefinition, by_row
from gros_agent.database.duckdb_file import LIMITS
from gros_agent.database.postgresql import upsert
from gros_agent.database.quoting import constant, quoted
from gros_agent.rows import ChangePath, Row, VcsVersion

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))
from support.inbox import Inbox
from support.postgresql import programs, server

PEAK = """
with open("/proc/self/status") as stream:  # what getrusage tells begins with the peak of the process that started this
    print("peak", next(int(line.split()[1]) // 1024 for line in stream if line.startswith("VmHWM")))
"""
OURS = f"""
import sys
from gros_agent.cli import execute
status = execute(["controller", "load", "--quiet", "--to", sys.argv[1], "--inbox", sys.argv[2]])
{PEAK}
sys.exit(status)
"""
PLAIN = f"""
import sys, duckdb
connection = duckdb.connect(sys.argv[1], config={LIMITS!r})
for statement in sys.argv[2:]:
    connection.execute(statement)
connection.close()
{PEAK}
"""
TABLES: tuple[type[Row], ...] = (VcsVersion, ChangePath)


def commits(count: int, chance: random.Random) -> list[Row]:
    """Commits of 300 people in 15 years."""
    found: list[Row] = []
    for number in range(count):
        moment = f"{2010 + number % 15}-0{1 + number % 9}-1{number % 10} 1{number % 10}:00:0{number % 10}"
        found.append(
            VcsVersion(
                repo_name="a-repository",
                version_id=f"{chance.getrandbits(160):040x}",
                sprint_id="0",
                message=f"Change number {number}\n\nWhat was there before was wrong in {number % 7} places.",
                type="commit",
                developer=f"{number % 300:064x}",
                developer_username="0",
                developer_email=f"{number % 300 + 7:064x}",
                commit_date=moment,
                author_date=moment,
                branch="main",
                insertions=str(number % 500),
                deletions=str(number % 77),
                number_of_files="5",
                number_of_lines=str(number % 577),
                size="250",
                encrypted="1",
            )
        )
    return found


def paths(versions: list[Row], count: int, chance: random.Random) -> list[Row]:
    """Changed files of each commit."""
    return [
        ChangePath(
            repo_name="a-repository",
            version_id=one.version_id,
            file=f"src/main/java/org/example/part{chance.randrange(50)}/Class{chance.randrange(3000)}_{place}.java",
            change_type="M",
            insertions=str(chance.randrange(300)),
            deletions=str(chance.randrange(99)),
            size=str(chance.randrange(99_999)),
        )
        for one in versions
        if isinstance(one, VcsVersion)
        for place in range(count)
    ]


def timed(arguments: list[str]) -> tuple[float, int]:
    """Run a process. Returns its seconds, and its peak in megabytes if it says so."""
    begun = time.monotonic()
    done = subprocess.run(arguments, check=True, capture_output=True, text=True)
    seconds = time.monotonic() - begun
    _, _, peak = done.stdout.rpartition("peak ")
    return seconds, int(peak) if peak.strip().isdecimal() else 0


def ours(url: str, inbox: Path) -> tuple[float, int]:
    """Load the batches of an inbox that are new."""
    return timed([sys.executable, "-c", OURS, url, str(inbox)])


def plain_statement(row: type[Row], path: Path) -> str:
    """What DuckDB reads a file with."""
    kinds = {Kind.BOOLEAN: "VARCHAR", Kind.MOMENT: "TIMESTAMP"}
    table = by_row(row)
    types = ", ".join(f"{quoted(one.name)}: '{kinds.get(one.kind, TYPES[one.kind])}'" for one in table.columns.values())
    read = f"read_json({constant(str(path))}, format = 'array', columns = {{{types}}})"
    return f"CREATE TABLE {quoted(table.name)} AS FROM {read}"


def write_csv(table: TableDefinition, batch: Path, path: Path) -> None:
    """The rows of a file with the values that the database gets."""
    with path.open("w", newline="") as stream:
        writer = csv.writer(stream)
        for row in json.loads((batch / f"{table.row.table}.json").read_text()):
            writer.writerow([_value(row, one) for one in table.columns.values()])
    path.chmod(0o644)


def _value(row: dict[str, str], column: Column) -> str:
    text = row.get(column.name, "")
    if text in column.nothing:
        return ""
    return {"1": "t", "0": "f"}[text] if column.kind is Kind.BOOLEAN else text


def psql_script(batch: Path, folder: Path) -> Path:
    """The commands that psql copies with."""
    lines = ["BEGIN;", "SET LOCAL TIME ZONE 'UTC';"]
    for table in map(by_row, TABLES):
        write_csv(table, batch, folder / f"{table.name}.csv")
        types = ", ".join(f"{quoted(name)} {TYPES[one.kind]}" for name, one in table.columns.items())
        put = upsert(table, "staged").replace("$1", "'ABC'").replace("$2", "1")
        lines += [f"CREATE TEMPORARY TABLE staged ({types});", f"\\copy staged from '{folder / table.name}.csv' csv"]
        lines += [f"{put};", "DROP TABLE staged;"]
    path = folder / "copy.sql"
    path.write_text("\n".join([*lines, "COMMIT;"]) + "\n")
    return path


def in_duckdb(inboxes: list[Path], folder: Path, number: int) -> Iterator[tuple[str, float, int]]:
    """One round with DuckDB: what was done, its seconds, and its peak."""
    file = f"duckdb:{folder / f'ours{number}.duckdb'}"
    batch = next((inboxes[0] / "ABC").iterdir())
    read = [plain_statement(row, batch / f"{row.table}.json") for row in TABLES]
    yield "duckdb, its own", *timed([sys.executable, "-c", PLAIN, str(folder / f"plain{number}.duckdb"), *read])
    yield "duckdb, ours", *ours(file, inboxes[0])
    yield "duckdb, ours again", *ours(file, inboxes[1])


def in_postgresql(inboxes: list[Path], urls: tuple[str, str], script: Path) -> Iterator[tuple[str, float, int]]:
    """One round with PostgreSQL."""
    with loading.opened(urls[0]) as target:
        target.prepare()
    folder = programs()
    assert folder is not None  # noqa: S101 (the server runs)
    psql = [str(folder / "psql"), "-q", "-v", "ON_ERROR_STOP=1", "-f", str(script), urls[0]]
    yield "postgresql, psql", *timed(psql)
    yield "postgresql, ours", *ours(urls[1], inboxes[0])
    yield "postgresql, psql again", *timed(psql)
    yield "postgresql, ours again", *ours(urls[1], inboxes[1])


AGAINST = {
    "duckdb, ours": "duckdb, its own",
    "duckdb, ours again": "duckdb, ours",
    "postgresql, ours": "postgresql, psql",
    "postgresql, ours again": "postgresql, psql again",
}


def main() -> None:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--commits", type=int, default=200_000)
    parser.add_argument("--paths", type=int, default=5, help="changed files of each commit")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--with", dest="databases", default="duckdb,postgresql")
    arguments = parser.parse_args()
    rounds: list[dict[str, tuple[float, int]]] = []
    with tempfile.TemporaryDirectory(prefix="gros-benchmark-") as temporary:
        folder = Path(temporary)
        folder.chmod(0o755)
        chance = random.Random(1)
        rows = commits(arguments.commits, chance)
        changed = paths(rows, arguments.paths, chance)
        inboxes = [folder / "inbox1", folder / "inbox2"]
        for number, inbox in enumerate(inboxes):
            Inbox(inbox, number).add(rows, changed, zone="UTC")
        del rows, changed
        for number in range(arguments.runs):
            found = list(in_duckdb(inboxes, folder, number)) if "duckdb" in arguments.databases else []
            if "postgresql" in arguments.databases:
                with server() as running:
                    script = psql_script(next((inboxes[0] / "ABC").iterdir()), folder)
                    found += in_postgresql(inboxes, (running.new(), running.new()), script)
            rounds.append({name: (seconds, peak) for name, seconds, peak in found})
    show(rounds)


def show(rounds: list[dict[str, tuple[float, int]]]) -> None:
    """Print the medians, and the medians of the ratios round by round."""
    print(f"{'':24} {'seconds':>8} {'MB':>5}  ratio")
    for name in rounds[0]:
        seconds = statistics.median(one[name][0] for one in rounds)
        peak = max(one[name][1] for one in rounds)
        other = AGAINST.get(name)
        ratio = statistics.median(one[name][0] / one[other][0] for one in rounds) if other else 0
        print(f"{name:24} {seconds:8.2f} {peak or '':>5}  {f'{ratio:.2f} of {other}' if other else ''}".rstrip())


if __name__ == "__main__":
    main()

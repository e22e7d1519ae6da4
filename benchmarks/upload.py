"""Uploads tables to OpenSSH on loopback, side by side: ours, ``sftp`` and ``scp -O``.

Usage: python benchmarks/upload.py [--megabytes 200] [--runs 3]

Starts an OpenSSH server of its own. Each of the three uploads the same files, in turn, so that a machine whose speed
drifts treats them alike. Ours is timed in a process that has its imports done, from the connection to the last file;
the two programs are timed as processes. Needs sshd, sftp and scp.
"""

import argparse
import getpass
import os
import random
import shutil
import socket
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from gros_agent.controller.ssh import Connection, HostKeys, shown_host_key

FILES = 4


@contextmanager
def server(folder: Path) -> Iterator[tuple[int, Path]]:
    """OpenSSH's server for the user who runs this; yields its port and a key that it takes."""
    program = shutil.which("sshd", path=f"{os.environ['PATH']}:/usr/sbin")
    if program is None:
        raise SystemExit("there is no OpenSSH server (sshd) on this machine")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    for name in ("host_key", "key"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / name)], check=True)
    (folder / "sshd_config").write_text(
        f"ListenAddress 127.0.0.1\nPort {port}\nHostKey {folder / 'host_key'}\nPidFile none\nStrictModes no\n"
        f"UsePAM no\nAuthorizedKeysFile {folder / 'key.pub'}\nSubsystem sftp internal-sftp\nPermitRootLogin yes\n"
    )
    Path("/run/sshd").mkdir(exist_ok=True)
    with subprocess.Popen([program, "-D", "-f", folder / "sshd_config"], stderr=subprocess.DEVNULL) as running:
        try:
            time.sleep(0.5)
            yield port, folder / "key"
        finally:
            running.terminate()


def main() -> None:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--megabytes", type=int, default=200)
    parser.add_argument("--runs", type=int, default=3)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="gros-benchmark-") as temporary:
        folder = Path(temporary)
        files = [folder / f"table{number}.json" for number in range(FILES)]
        for path in files:
            path.write_bytes(random.randbytes(arguments.megabytes * 1_000_000 // FILES // 2).hex().encode())
        (folder / "target").mkdir()
        with server(folder) as (port, key):
            ways = programs(folder, port, key, files)
            seconds: dict[str, list[float]] = {name: [] for name in ways}
            for _ in range(arguments.runs):
                for name, upload in ways.items():
                    started = time.perf_counter()
                    upload()
                    seconds[name].append(time.perf_counter() - started)
    print("| way | seconds (min median max) | MB/s | of sftp's throughput |")
    print("| --- | --- | --- | --- |")
    for name, runs in seconds.items():
        median = statistics.median(runs)
        ratio = statistics.median(other / one for one, other in zip(runs, seconds["sftp"], strict=True))
        shown = f"{min(runs):.2f} {median:.2f} {max(runs):.2f}"
        print(f"| {name} | {shown} | {arguments.megabytes / median:.0f} | {ratio:.2f} |")


def programs(folder: Path, port: int, key: Path, files: list[Path]) -> dict[str, Callable[[], None]]:
    """The ways to upload, by name."""
    target = folder / "target"
    options = ["-q", "-i", str(key), "-oStrictHostKeyChecking=no", "-oUserKnownHostsFile=/dev/null", "-oBatchMode=yes"]
    user = getpass.getuser()
    batch = folder / "batch"
    batch.write_text("".join(f"put {path} {target}\n" for path in files))
    hosts = HostKeys(folder / "known_hosts")
    hosts.pin("127.0.0.1", port, [shown_host_key("127.0.0.1", port)])

    def ours() -> None:
        with Connection("127.0.0.1", port, user, key, hosts) as connection:
            for path in files:
                connection.put(path, str(target), path.name)

    def sftp() -> None:
        command = ["sftp", *options, f"-P{port}", "-b", str(batch), f"{user}@127.0.0.1"]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)

    def scp() -> None:
        command = ["scp", "-O", *options, f"-P{port}", *map(str, files), f"{user}@127.0.0.1:{target}"]
        subprocess.run(command, check=True)

    return {"gros-agent": ours, "sftp": sftp, "scp -O": scp}


if __name__ == "__main__":
    main()

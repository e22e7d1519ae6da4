"""The server side of classic scp: ``scp -t`` receives files, ``scp -f`` sends them.

AsyncSSH has a server side as well, but it supports only one path per command, while existing agents ask for several;
and it can't refuse single commands.
"""

import os
import re
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import asyncssh

_COMMAND = re.compile(r"scp((?: -[vdrp]+)*) -([tf])((?: ~/[A-Za-z0-9._/-]+)+)")
_PATH = re.compile(r"(export|update)/([A-Z]+)(?:/([A-Za-z0-9][A-Za-z0-9._-]*)?)?")
_FILE = re.compile(rb"C([0-7]{3,5}) (\d{1,15}) ([A-Za-z0-9][A-Za-z0-9._-]{0,127})\n")
_CHUNK = 1 << 18
_Process = asyncssh.SSHServerProcess[bytes]


@dataclass(frozen=True)
class Command:
    """The request of a client. ``takes`` means that the server receives. ``paths`` are relative to the agent's home."""

    takes: bool
    times: bool
    paths: tuple[str, ...]


def parse(text: str) -> Command | None:
    """Parse the command of an scp client, or return None if agents may not run it."""
    match = _COMMAND.fullmatch(text)
    if not match:
        return None
    paths = tuple(path.removeprefix("~/") for path in match[3].split())
    places = [_PATH.fullmatch(path) for path in paths]
    takes = match[2] == "t"
    # uploads go to one place in export/KEY/; downloads must name files
    allowed = all(
        place and ((place[1] == "export" and len(paths) == 1) if takes else place[3] is not None) for place in places
    )
    return Command(takes, "p" in match[1], paths) if allowed else None


async def serve(process: _Process, home: Path, command: Command) -> int:
    """Run the server side of scp for an agent. Returns the exit status."""
    try:
        if command.takes:
            return await _take(process, home, command.paths[0])
        return await _give(process, home, command)
    except (asyncssh.Error, ConnectionError, EOFError):
        return 1  # the client has disconnected


def _complain(process: _Process, message: str) -> int:
    process.stdout.write(f"\x01scp: {message}\n".encode())
    return 1


async def _take(process: _Process, home: Path, place: str) -> int:
    status = 0
    target = home / place
    folder = target.parent == home / "export"
    process.stdout.write(b"\0")
    while line := await process.stdin.readline():
        if line[:1] == b"T":
            process.stdout.write(b"\0")
            continue
        match = _FILE.fullmatch(line)
        if not match:
            process.stdout.write(b"\x02scp: only plain files are taken\n")
            return 1
        path = target / match[3].decode() if folder else target
        try:
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o644)
        except OSError as error:
            status = _complain(process, f"{path.name}: {error.strerror}")
            continue
        process.stdout.write(b"\0")
        with os.fdopen(descriptor, "wb", buffering=0) as stream:
            failure = await _receive(process, stream, int(match[2]))
        if await process.stdin.readexactly(1) != b"\0":
            await process.stdin.readline()
            status = 1
        if failure:
            status = _complain(process, f"{path.name}: {failure}")
        else:
            process.stdout.write(b"\0")
    return status


async def _receive(process: _Process, stream: BinaryIO, size: int) -> str:
    """Write the received data, and return an error text or an empty one.

    After a failure it goes on reading, since the client goes on sending.
    """
    failure = ""
    while size:
        chunk = await process.stdin.read(min(size, _CHUNK))
        if not chunk:
            raise EOFError
        size -= len(chunk)
        rest = memoryview(chunk)
        try:
            while rest and not failure:
                rest = rest[stream.write(rest) :]
        except OSError as error:
            failure = error.strerror or "can't be written"
    return failure


async def _give(process: _Process, home: Path, command: Command) -> int:
    status = 0
    if not await _agreed(process):
        return 1
    for name in command.paths:
        try:
            stream = os.fdopen(os.open(home / name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK), "rb")
        except OSError as error:
            status = _complain(process, f"~/{name}: {error.strerror}")
            continue
        with stream:
            about = os.fstat(stream.fileno())
            if not stat.S_ISREG(about.st_mode):
                status = _complain(process, f"~/{name}: not a regular file")
                continue
            if command.times:
                process.stdout.write(f"T{int(about.st_mtime)} 0 {int(about.st_atime)} 0\n".encode())
                if not await _agreed(process):
                    status = 1
                    continue
            process.stdout.write(f"C0644 {about.st_size} {Path(name).name}\n".encode())
            if not await _agreed(process) or not await _send(process, stream, about.st_size):
                status = 1
    return status


async def _send(process: _Process, stream: BinaryIO, size: int) -> bool:
    while size:
        # a file that has become shorter is padded, since its size was already sent
        chunk = stream.read(min(size, _CHUNK)) or bytes(min(size, _CHUNK))
        process.stdout.write(chunk)
        await process.stdout.drain()
        size -= len(chunk)
    process.stdout.write(b"\0")
    return await _agreed(process)


async def _agreed(process: _Process) -> bool:
    """Read the client's answer, and return whether it accepts."""
    answer = await process.stdin.readexactly(1)
    if answer == b"\0":
        return True
    await process.stdin.readline()
    if answer != b"\x01":
        raise EOFError
    return False

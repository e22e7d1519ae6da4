"""Takes over the SSH host keys that a worker saw for the first time."""

import threading
from pathlib import Path

from gros_agent.errors import SourceError
from gros_agent.runtime.storage import make_private, replace_file, storage_errors

_lock = threading.Lock()


def pin(path: Path, content: bytes) -> SourceError | None:
    """Add the keys to the known ones. Returns an error if a host has another key of the same type there.

    Several workers may ask a host for the first time at the same moment: then each trusts what it sees, and the first
    one to answer decides.
    """
    new = _keys(content)
    if not new:
        return None
    with _lock, storage_errors(path.parent):
        known = _keys(path.read_bytes()) if path.exists() else {}
        for host, key in new.items():
            if known.get(host, key) != key:
                return SourceError(
                    f"{host[0].decode(errors='replace')} showed a worker another host key than the known one",
                    f"find out why; if the host has a new key, remove the old one from {path}",
                )
        if lines := [b" ".join((*host, key)) + b"\n" for host, key in new.items() if host not in known]:
            make_private(path.parent)
            before = path.read_bytes() if path.exists() else b""
            replace_file(path, before + b"".join(lines))
    return None


def _keys(content: bytes) -> dict[tuple[bytes, bytes], bytes]:
    """The keys by host and type."""
    found = {}
    for line in content.splitlines():
        host, _, rest = line.partition(b" ")
        kind, _, key = rest.partition(b" ")
        if key and not host.startswith((b"#", b"@")):
            found[host, kind] = key
    return found

"""Options of a scrape, for everything that connects to sources."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from gros_agent.sources.base import SourceEntry


@dataclass(frozen=True, kw_only=True)
class ScrapeOptions:
    """Options of a scrape.

    ``extra`` are sources in addition to those of ``data_sources.json``. ``clones`` is the folder for local clones,
    ``known_hosts`` another file with pinned SSH host keys. A source that is silent for ``silence`` seconds is given up.
    With ``no_ssh`` the local trackers are used even if a controller is configured. ``is_logged`` says that the caller
    keeps ``scrape.log`` itself. ``redact_text`` replaces people in free text.
    """

    extra: Sequence[SourceEntry] = ()
    full: bool = False
    no_secrets: bool = False
    make_secrets: bool = False
    discard: bool = False
    clones: Path | None = None
    known_hosts: Path | None = None
    no_ssh: bool = False
    silence: float = 120.0
    is_logged: bool = False
    redact_text: bool = False

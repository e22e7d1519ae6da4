"""How to scrape: what a command line says, for everything that reaches sources."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from gros_agent.sources.base import SourceEntry


@dataclass(frozen=True, kw_only=True)
class ScrapeOptions:
    """How to scrape.

    ``extra`` are sources beside those of ``data_sources.json``, ``clones`` is a folder for local clones,
    ``known_hosts`` another file with pinned SSH host keys, ``silence`` the seconds after which a source that shows no
    sign of life is given up. With ``no_ssh`` the local trackers count, also where a controller is configured. Whoever
    keeps a log of more than the scrape says so with ``is_logged``. ``redact_text`` takes people out of free text.
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

"""A BigBoat dashboard on loopback: the recorded answer of a real one, at the only path that is asked."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from support.replay import Asked, Replay
from support.web import Answer, json_answer

RECORDED = Path(__file__).parents[1] / "recordings" / "bigboat"
STATUS: Any = json.loads((RECORDED / "bigboat_api_status.json").read_text())
ORIGINS = {
    "status": "source: ICTU/bigboat-python-api, bigboat/client.py (v2); recording: bigboat/bigboat_api_status.json",
}
"""Where each route comes from."""


@dataclass
class Board:
    """What it answers; a test may put another answer in its place."""

    replay: Replay = field(default_factory=Replay)
    answer: Callable[[Asked], Answer] = lambda _: json_answer(STATUS)

    def __post_init__(self) -> None:
        self.replay.route("status", "/api/v2/status", lambda asked: self.answer(asked))  # noqa: PLW0108 (a test may put another one in its place)

    @property
    def url(self) -> str:
        return self.replay.url

    @property
    def asked(self) -> list[Asked]:
        return self.replay.asked

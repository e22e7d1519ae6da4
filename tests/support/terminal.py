"""Draws what a command prints in a terminal, as an SVG that loads nothing, and reads such a drawing."""

import html
import io
import os
import pty
import re
import struct
import subprocess
import termios
from collections import defaultdict
from collections.abc import Mapping, Sequence
from fcntl import ioctl
from pathlib import Path

from rich.console import Console
from rich.terminal_theme import TerminalTheme
from rich.text import Text

COLUMNS, LINES = 88, 50
_TEXT = re.compile(r'<text class="t-r\d+" x="([0-9.]+)" y="([0-9.]+)" textLength="([0-9.]+)"[^>]*>([^<]+)</text>')
_THEME = TerminalTheme(
    (22, 27, 34),
    (214, 219, 224),
    [
        *((22, 27, 34), (255, 123, 114), (86, 211, 100), (227, 179, 65)),
        *((121, 192, 255), (210, 168, 255), (86, 212, 221), (214, 219, 224)),
    ],
)
_FORMAT = """\
<svg viewBox="0 0 {width} {height}" xmlns="http://www.w3.org/2000/svg">
<style>
.{unique_id}-matrix {{ font: {char_height}px ui-monospace, "DejaVu Sans Mono", Menlo, Consolas, monospace; }}
.{unique_id}-title {{ font: bold 16px sans-serif; }}
{styles}
</style>
<defs>
<clipPath id="{unique_id}-clip-terminal"><rect width="{terminal_width}" height="{terminal_height}"/></clipPath>
{lines}
</defs>
{chrome}
<g transform="translate({terminal_x}, {terminal_y})" clip-path="url(#{unique_id}-clip-terminal)">
{backgrounds}
<g class="{unique_id}-matrix">
{matrix}
</g>
</g>
</svg>
"""


def printed(command: Sequence[str], folder: Path, environment: Mapping[str, str]) -> str:
    """What a command writes to a terminal, with its colours; progress, which goes away again, is left out."""
    ours, its = pty.openpty()
    ioctl(its, termios.TIOCSWINSZ, struct.pack("HHHH", LINES, COLUMNS, 0, 0))
    try:
        with subprocess.Popen(
            command, cwd=folder, env=environment, stdin=its, stdout=its, stderr=subprocess.PIPE, close_fds=True
        ) as running:
            os.close(its)
            content = _everything(ours)
            assert running.stderr is not None
            errors = running.stderr.read().decode()
    finally:
        os.close(ours)
    if running.returncode or errors:
        raise SystemExit(f"{command} ended with {running.returncode}: {errors}")
    return content.decode().replace("\r\n", "\n")


def _everything(descriptor: int) -> bytes:
    """What a terminal got, until nobody writes to it any more: Linux has an error for that."""
    content = b""
    while True:
        try:
            more = os.read(descriptor, 1 << 16)
        except OSError:
            return content
        if not more:
            return content
        content += more


def drawn(title: str, shown: str) -> str:
    """An SVG of a terminal's content."""
    console = Console(record=True, width=COLUMNS, file=io.StringIO(), force_terminal=True, color_system="truecolor")
    console.print(Text.from_ansi(shown), end="")
    return console.export_svg(title=title, theme=_THEME, code_format=_FORMAT, unique_id="t")


def text(svg: str) -> list[str]:
    """The lines of a drawing, without those that are empty."""
    lines: defaultdict[float, str] = defaultdict(str)
    for x, y, width, content in _TEXT.findall(svg):
        said = html.unescape(content).replace("\N{NO-BREAK SPACE}", " ")
        column = round(float(x) / float(width) * len(said))
        lines[float(y)] = lines[float(y)].ljust(column) + said
    return [lines[y].rstrip() for y in sorted(lines)]

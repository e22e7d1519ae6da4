"""Marks tests for which the C library has to know the world's time zones."""

import zoneinfo
from pathlib import Path

import pytest

needs_time_zones = pytest.mark.skipif(
    not any((Path(folder) / "Asia" / "Tokyo").is_file() for folder in zoneinfo.TZPATH),
    reason="this machine knows no time zones: tzdata is not installed",
)

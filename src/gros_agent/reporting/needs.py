"""What a report needs, without importing it."""

from importlib.util import find_spec


def missing_libraries() -> list[str]:
    """The libraries that a report needs and that are not installed."""
    return [name for name in ("duckdb", "jinja2", "vl_convert") if find_spec(name) is None]

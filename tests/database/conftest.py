"""A new database of either kind, and an inbox."""

from support.databases import inbox, postgresql, url

__all__ = ["inbox", "postgresql", "url"]

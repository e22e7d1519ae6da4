"""People and changes, as answers have them."""

from typing import Any

Item = dict[str, Any]
START = 1704067200
"""2024-01-01 00:00:00 UTC."""
ANN, BEA = {"name": "ann", "displayName": "Ann"}, {"name": "bea", "displayName": "Bea"}


def change(number: int, second: str, *items: Item, author: Any = None) -> Item:
    return {"id": str(number), "created": f"2024-01-01T00:{second}.000+0000", "items": list(items), "author": author}


def item(
    name: str, old: Any = None, new: Any = None, *, shown: tuple[Any, Any] = (None, None), kind: str = "jira"
) -> Item:
    return {"field": name, "fieldtype": kind, "from": old, "fromString": shown[0], "to": new, "toString": shown[1]}

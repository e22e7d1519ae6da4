"""Validates written files against the published schemas, with the formats checked as the formats page says."""

import json
import os
import re
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator, FormatChecker
from referencing import Registry, Resource

HERE = Path(__file__).parent.parent / "schema"
CHECKOUT = Path(__file__).parent.parent.parent
BESIDE = Path(os.environ.get("GROS_SCHEMA_DIR") or CHECKOUT.parent / "shared" / "schema")
"""Where all of the published schemas lie, on a machine that has them."""

FILES = {
    "data_vcs_versions.json": "vcs/vcs_versions.json",
    "data_change_path.json": "vcs/change_path.json",
    "data_tag.json": "vcs/tag.json",
    "latest_vcs_versions.json": "vcs/latest_vcs_versions.json",
}

_formats = FormatChecker(formats=())


@_formats.checks("email")
def _is_address(value: object) -> bool:
    """A pseudonym counts as an address."""
    return isinstance(value, str) and ("@" in value or re.fullmatch("[0-9a-f]{64}", value) is not None)


def errors(folder: Path, schemas: Path = HERE) -> list[str]:
    """What is wrong with the files of a project, by the schemas in a folder."""
    contents = [json.loads(path.read_text(encoding="utf-8")) for path in schemas.rglob("*.json")]
    resources = [(one["$id"], Resource.from_contents(one)) for one in contents if "$id" in one]
    registry: Registry[Any] = Registry().with_resources(resources)
    found = []
    for name, schema in FILES.items():
        content = json.loads((schemas / schema).read_text(encoding="utf-8"))
        validator = Draft202012Validator(content, registry=registry, format_checker=_formats)
        instance = json.loads((folder / name).read_text(encoding="utf-8"))
        found += [f"{name} {list(error.path)}: {error.message[:200]}" for error in validator.iter_errors(instance)]
    return found

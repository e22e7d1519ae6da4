"""Compares what a scrape of a Subversion repository wrote with the slow reference and the published schemas."""

import hashlib
import json

from support import schemas
from support import subversion_reference as reference
from support.agent import PEPPER, SALT, Agent, Rows, table
from support.subversion import SubversionRepository


def hashed(value: str) -> str:
    return value if value == "0" else hashlib.sha256((SALT + value + PEPPER).encode()).hexdigest()


def expected(url: str, first: int = 1) -> tuple[Rows, Rows]:
    versions, changes = reference.rows(url, "name", first)
    for row in versions:
        row["developer"] = row["developer_username"] = hashed(row["developer"])
        row["encrypted"] = "1"
    return [*versions], [*changes]


def check_rows(
    agent: Agent,
    repository: SubversionRepository,
    url: str,
    *options: str,
    first: int = 1,
    known: tuple[Rows, Rows] | None = None,
) -> None:
    """Scrape, and compare all rows with those that svn tells, or with ``known`` ones that it told before."""
    done = agent.scrape("--source", f"subversion:name={url}", *options)
    assert done.status == 0, done
    assert schemas.errors(agent.export()) == []
    versions, changes = known or expected(repository.url, first)
    assert table(agent, "data_vcs_versions") == versions
    assert table(agent, "data_change_path") == changes
    position = json.loads((agent.export() / "latest_vcs_versions.json").read_text())
    assert position == {"name": str(repository.youngest)}

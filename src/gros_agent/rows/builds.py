"""Rows of build servers."""

from typing import Annotated, ClassVar

from msgspec import Meta

from gros_agent.rows.base import Row, unit

Count = Annotated[int, Meta(ge=0, le=2**31 - 1)]


class Jenkins(Row, kw_only=True, forbid_unknown_fields=True):
    """The size of a Jenkins.

    Its file has this one object, with numbers as JSON numbers.
    """

    table: ClassVar[str] = "data_jenkins"
    key_fields: ClassVar[tuple[str, ...]] = ("host",)
    snapshot: ClassVar[bool] = True
    is_single: ClassVar[bool] = True

    host: Annotated[str, Meta(max_length=255, description="Address of the Jenkins.")]
    jobs: Annotated[
        Count, unit("jobs"), Meta(description="Jobs, including those in folders and branches of pipelines.")
    ]
    views: Annotated[Count, unit("views"), Meta(description="Views.")]
    nodes: Annotated[Count, unit("nodes"), Meta(description="Nodes that run jobs.")]

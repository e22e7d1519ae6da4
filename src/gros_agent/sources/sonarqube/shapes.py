"""The shapes of SonarQube's answers, as far as they are read. The fields are those of the API."""

import msgspec


class Status(msgspec.Struct):
    """The status of a server. Some servers only show their version to logged-in users."""

    version: str = ""
    status: str = "UP"


class Validation(msgspec.Struct):
    """Whether credentials are valid."""

    valid: bool


class Paging(msgspec.Struct, rename="camel"):
    """The position of a page, and the total number of items. The first page is 1."""

    page_index: int
    page_size: int
    total: int


class Component(msgspec.Struct, rename="camel"):
    """A project. ``analysis_date`` is that of its last analysis, if the answer has it."""

    key: str
    name: str = ""
    organization: str | None = None
    analysis_date: str | None = None


class Organization(msgspec.Struct):
    """An organization of SonarCloud."""

    key: str
    name: str = ""


class Components(msgspec.Struct):
    """A page of projects."""

    paging: Paging
    components: list[Component]
    organizations: list[Organization] = []


class Shown(msgspec.Struct):
    """One project."""

    component: Component


class Branch(msgspec.Struct, rename="camel"):
    """A branch of a project."""

    name: str
    is_main: bool = False


class Branches(msgspec.Struct):
    """The branches of a project."""

    branches: list[Branch]


class Definition(msgspec.Struct):
    """A metric. ``direction`` is 1 if more is better, -1 if less is, 0 if neither."""

    key: str
    type: str = "INT"
    direction: int = 0
    qualitative: bool = False
    hidden: bool = False


class Definitions(msgspec.Struct):
    """A page of metrics."""

    metrics: list[Definition]
    total: int


class Point(msgspec.Struct):
    """The value of one analysis, if it measured the metric."""

    date: str
    value: str | int | float | None = None


class Measure(msgspec.Struct):
    """A metric's history."""

    metric: str
    history: list[Point]


class History(msgspec.Struct):
    """A page of the history of several metrics; ``paging`` counts analyses."""

    paging: Paging
    measures: list[Measure]


class Gate(msgspec.Struct):
    """A quality gate. ``default`` says whether it is the server's gate for projects without another."""

    name: str
    default: bool = False


class GateOfProject(msgspec.Struct, rename="camel"):
    """The quality gate of a project."""

    quality_gate: Gate | None = None


class Condition(msgspec.Struct):
    """A condition that fails a gate: a value above (``GT``) or below (``LT``) that of ``error``."""

    metric: str
    op: str = "GT"
    error: str | None = None


class Conditions(msgspec.Struct):
    """The conditions of a gate."""

    conditions: list[Condition] = []


class Platform(msgspec.Struct):
    """The location of a project's code."""

    key: str
    url: str


class Navigation(msgspec.Struct):
    """The information on a project's page."""

    key: str
    alm: Platform | None = None


class Link(msgspec.Struct):
    """A link that a user or the build added to a project: home page, code, builds or issues."""

    type: str
    url: str


class Links(msgspec.Struct):
    """The links of a project."""

    links: list[Link]

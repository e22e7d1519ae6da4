"""The shapes of SonarQube's answers, as far as they are read; fields are the API's own."""

import msgspec


class Status(msgspec.Struct):
    """The server itself; some tell their version only to those who are logged in."""

    version: str = ""
    status: str = "UP"


class Validation(msgspec.Struct):
    """Whether credentials are good."""

    valid: bool


class Paging(msgspec.Struct, rename="camel"):
    """Which page of how many things an answer is; the first page is 1."""

    page_index: int
    page_size: int
    total: int


class Component(msgspec.Struct, rename="camel"):
    """A project; ``analysis_date`` is that of its last analysis, where the answer has it."""

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
    """A metric that the server knows. ``direction`` is 1 if more is better, -1 if less is, 0 if neither."""

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
    """What an analysis measured, if it measured that."""

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
    """A quality gate. ``default`` says whether it is the server's own for projects without another."""

    name: str
    default: bool = False


class GateOfProject(msgspec.Struct, rename="camel"):
    """The quality gate that a project has."""

    quality_gate: Gate | None = None


class Condition(msgspec.Struct):
    """What fails a gate: a value that is greater (``GT``) or less (``LT``) than that of ``error``."""

    metric: str
    op: str = "GT"
    error: str | None = None


class Conditions(msgspec.Struct):
    """The conditions of a gate."""

    conditions: list[Condition] = []


class Platform(msgspec.Struct):
    """Where a project's code is."""

    key: str
    url: str


class Navigation(msgspec.Struct):
    """What a project's page leads to."""

    key: str
    alm: Platform | None = None


class Link(msgspec.Struct):
    """A link that somebody, or the build, gave a project: its home page, code, builds or issues."""

    type: str
    url: str


class Links(msgspec.Struct):
    """The links of a project."""

    links: list[Link]

"""The texts of the queries, and the shapes of their answers.

Types and fields are those of https://docs.github.com/public/fpt/schema.docs.graphql.
"""

from datetime import datetime
from typing import Annotated, Generic, TypeVar

import msgspec

T = TypeVar("T")

PAGE = 50
"""Pull requests or issues per page."""
COMMENTS, REVIEWS, REVIEW_COMMENTS = 50, 20, 20
"""How many comments come with a pull request or issue, reviews with a pull request, and comments with a review.

The rest is requested separately. A page costs as many points as it has lists within it, divided by a hundred.
"""
MORE = 100
"""Items per page of a separate request."""

_ACTOR = "{ __typename login }"
_COMMENT = f"number: fullDatabaseId body createdAt updatedAt author {_ACTOR}"
_PAGE = "pageInfo { hasNextPage endCursor }"
_LINES = f"""{_COMMENT} path diffHunk line startLine originalLine originalStartLine
  commit {{ oid }} originalCommit {{ oid }} replyTo {{ number: fullDatabaseId }}"""
_COMMENTS = f"{_PAGE} nodes {{ {_COMMENT} }}"
_REVIEW_COMMENTS = f"{_PAGE} nodes {{ {_LINES} }}"
_REVIEWS = f"""{_PAGE} nodes {{ id state submittedAt updatedAt author {_ACTOR}
  comments(first: {REVIEW_COMMENTS}) {{ {_REVIEW_COMMENTS} }} }}"""
_ORDER = "orderBy: { field: UPDATED_AT, direction: DESC }"
_COMMON = f"""id number title body createdAt updatedAt closedAt author {_ACTOR}
  assignees(first: 1) {{ nodes {{ login }} }} labels {{ totalCount }}
  closed: timelineItems(itemTypes: [CLOSED_EVENT], last: 1) {{ nodes {{ ... on ClosedEvent {{ actor {_ACTOR} }} }} }}
  comments(first: {COMMENTS}, {_ORDER}) {{ {_COMMENTS} }}"""
_PULL = f"""{_COMMON} pullState: state headRefName baseRefName mergedBy {_ACTOR}
  reviews(first: {REVIEWS}) {{ {_REVIEWS} }}"""
_ISSUE = f"{_COMMON} issueState: state"
_PULLS_OF = f"pullRequests(first: $size, after: $pulls, {_ORDER})"
_PULLS_ARE = f"{{ totalCount {_PAGE} nodes {{ {_PULL} }} }}"
_PULLS = f"{_PULLS_OF} {_PULLS_ARE}"
_ISSUES_OF = f"issues(first: $size, after: $issues, filterBy: {{ since: $since }}, {_ORDER})"
_ISSUES_ARE = f"{{ totalCount {_PAGE} nodes {{ {_ISSUE} }} }}"
_ISSUES = f"{_ISSUES_OF} {_ISSUES_ARE}"
_BUDGET = "rateLimit { cost remaining resetAt }"

LISTS = {"pullRequests": "hasPulls", "issues": "hasIssues"}
"""Lists of the first query that a token may not be allowed to read, and the variable that excludes each of them."""
FIRST = f"""query First(
  $owner: String!, $name: String!, $size: Int!, $pulls: String, $issues: String, $since: DateTime,
  $hasPulls: Boolean = true, $hasIssues: Boolean = true) {{
  repository(owner: $owner, name: $name) {{
    databaseId description createdAt isPrivate isFork stargazerCount watchers {{ totalCount }}
    commitComments {{ totalCount }} {_PULLS_OF} @include(if: $hasPulls) {_PULLS_ARE}
    {_ISSUES_OF} @include(if: $hasIssues) {_ISSUES_ARE} }} {_BUDGET} }}"""
PULLS = f"""query Pulls($owner: String!, $name: String!, $size: Int!, $pulls: String) {{
  repository(owner: $owner, name: $name) {{ {_PULLS} }} {_BUDGET} }}"""
ISSUES = f"""query Issues(
  $owner: String!, $name: String!, $size: Int!, $issues: String, $since: DateTime) {{
  repository(owner: $owner, name: $name) {{ {_ISSUES} }} {_BUDGET} }}"""
CHECK = """query Check($owner: String!, $name: String!) { viewer { login }
  repository(owner: $owner, name: $name) { pullRequests { totalCount } issues { totalCount } } }"""
_REPOSITORIES = f"{_PAGE} nodes {{ name url isArchived }}"
OWNED = f"""query Owned($owner: String!, $after: String) {{ repositoryOwner(login: $owner) {{
  repositories(first: 100, after: $after, ownerAffiliations: [OWNER]) {{ {_REPOSITORIES} }} }} }}"""
TEAM = f"""query Team($owner: String!, $slug: String!, $after: String) {{ organization(login: $owner) {{
  team(slug: $slug) {{ repositories(first: 100, after: $after) {{ {_REPOSITORIES} }} }} }} }}"""
REST_OF: dict[str, str] = {
    "pull comments": f"""query PullComments($id: ID!, $size: Int!, $after: String) {{
      node(id: $id) {{ ... on PullRequest {{
      found: comments(first: $size, after: $after, {_ORDER}) {{ {_COMMENTS} }} }} }} {_BUDGET} }}""",
    "issue comments": f"""query IssueComments($id: ID!, $size: Int!, $after: String) {{
      node(id: $id) {{ ... on Issue {{
      found: comments(first: $size, after: $after, {_ORDER}) {{ {_COMMENTS} }} }} }} {_BUDGET} }}""",
    "reviews": f"""query Reviews($id: ID!, $size: Int!, $after: String) {{
      node(id: $id) {{ ... on PullRequest {{
      found: reviews(first: $size, after: $after) {{ {_REVIEWS} }} }} }} {_BUDGET} }}""",
    "review comments": f"""query ReviewComments($id: ID!, $size: Int!, $after: String) {{
      node(id: $id) {{ ... on PullRequestReview {{
      found: comments(first: $size, after: $after) {{ {_REVIEW_COMMENTS} }} }} }} {_BUDGET} }}""",
}
"""The queries for the rest of lists that did not fit into their page."""


class Shape(msgspec.Struct, rename="camel"):
    """A part of an answer. Its fields are those of the API, in our spelling."""


class Actor(Shape):
    """An account that did something; ``kind`` is User, Bot, Organization, Mannequin or EnterpriseUserAccount."""

    kind: Annotated[str, msgspec.Meta()] = msgspec.field(name="__typename", default="User")
    login: str = ""


class PageInfo(Shape):
    """Whether there is another page, and where it starts."""

    has_next_page: bool
    end_cursor: str | None


class Connection(Shape, Generic[T]):
    """A page of a list. Nodes that the API could not return are left out."""

    page_info: PageInfo
    nodes: list[T]
    total_count: int | None = None


class Nodes(Shape, Generic[T]):
    """The only page of a list."""

    nodes: list[T]


class Count(Shape):
    """The number of items."""

    total_count: int


class Login(Shape):
    """An account."""

    login: str


class Closing(Shape):
    """An event that closed something."""

    actor: Actor | None = None


class Commit(Shape):
    """A commit."""

    oid: str


class Comment(Shape):
    """A comment on a pull request or issue. ``number`` is the ``id`` of the REST API."""

    number: int | str
    body: str
    created_at: datetime
    updated_at: datetime
    author: Actor | None = None


class Replied(Shape):
    """The comment that another replies to."""

    number: int | str


class LineComment(Comment):
    """A comment on lines of a pull request. Lines are missing for comments on whole files."""

    path: str = ""
    diff_hunk: str = ""
    line: int | None = None
    start_line: int | None = None
    original_line: int | None = None
    original_start_line: int | None = None
    commit: Commit | None = None
    original_commit: Commit | None = None
    reply_to: Replied | None = None


class Review(Shape):
    """A review. If it is not submitted yet, ``submitted_at`` is missing."""

    id: str
    state: str
    updated_at: datetime
    comments: Connection[LineComment]
    submitted_at: datetime | None = None
    author: Actor | None = None


class Issue(Shape):
    """The common fields of issues and pull requests."""

    id: str
    number: int
    title: str
    body: str
    created_at: datetime
    updated_at: datetime
    assignees: Nodes[Login]
    closed: Nodes[Closing]
    comments: Connection[Comment]
    labels: Count | None = None
    closed_at: datetime | None = None
    author: Actor | None = None
    issue_state: str = ""


class PullRequest(Issue, kw_only=True):
    """A pull request."""

    pull_state: str
    head_ref_name: str
    base_ref_name: str
    reviews: Connection[Review]
    merged_by: Actor | None = None


class Known(Shape, kw_only=True):
    """A repository, and its newest pull requests and issues, unless they are excluded."""

    database_id: int
    description: str | None
    created_at: datetime
    is_private: bool
    is_fork: bool
    stargazer_count: int
    watchers: Count
    commit_comments: Count
    pull_requests: Connection[PullRequest] | None = None
    issues: Connection[Issue] | None = None


class First(Shape):
    """The answer to :data:`FIRST`."""

    repository: Known


class PullPage(Shape):
    """The pull requests of a page."""

    pull_requests: Connection[PullRequest]


class Pulls(Shape):
    """The answer to :data:`PULLS`."""

    repository: PullPage


class IssuePage(Shape):
    """The issues of a page."""

    issues: Connection[Issue]


class Issues(Shape):
    """The answer to :data:`ISSUES`."""

    repository: IssuePage


class Found(Shape, Generic[T]):
    """A node with the requested list."""

    found: Connection[T]


class Rest(Shape, Generic[T]):
    """The answer to one of :data:`REST_OF`."""

    node: Found[T]


class Counted(Shape):
    """A repository that the credentials can see."""

    pull_requests: Count
    issues: Count


class Checked(Shape):
    """The answer to :data:`CHECK`."""

    viewer: Login
    repository: Counted


class OwnedRepository(Shape):
    """A repository in the list of an owner."""

    name: str
    url: str
    is_archived: bool


OwnedRepositories = Connection[OwnedRepository]


class HasRepositories(Shape):
    """An owner or team."""

    repositories: OwnedRepositories


class HasTeam(Shape):
    """An organisation. The team is missing if it does not exist, or can't be seen."""

    team: HasRepositories | None = None


class Owned(Shape):
    """The answer to :data:`OWNED`."""

    repository_owner: HasRepositories | None = None


class TeamOwned(Shape):
    """The answer to :data:`TEAM`."""

    organization: HasTeam | None = None

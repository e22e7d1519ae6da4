"""Makes rows from the API's answers. Identifiers are those of the REST API, as in existing installations."""

from collections.abc import Iterator
from datetime import datetime

from gros_agent.rows import (
    NOBODY,
    CommitComment,
    GitHubIssue,
    GitHubIssueNote,
    GitHubRepo,
    MergeRequest,
    MergeRequestNote,
    MergeRequestReview,
)
from gros_agent.sources.common.api import text
from gros_agent.sources.github.queries import Actor, Comment, Issue, Known, LineComment, PullRequest, Review

GHOST = "ghost"
"""The account that stands for deleted accounts in the REST API."""
UP, DOWN, PENDING = "APPROVED", "CHANGES_REQUESTED", "PENDING"
_BOT = "Bot"
_VOTES = {UP: "1", DOWN: "-1"}
_SIDES = {"-": "old", "+": "new"}


def login(actor: Actor | None) -> str:
    """An account's name as in the REST API."""
    if actor is None:
        return GHOST
    return f"{actor.login}[bot]" if actor.kind == _BOT and not actor.login.endswith("[bot]") else actor.login


class Rows:
    """Makes the rows of one repository. Comments by ``bots`` are left out, and counted in ``left_out``."""

    def __init__(self, name: str, bots: frozenset[str]) -> None:
        self._name = name
        self._bots = bots
        self.left_out = 0

    def is_bot(self, actor: Actor | None) -> bool:
        """Whether a bot is the author, so that the item is left out and counted."""
        if actor is None or not (actor.kind == _BOT or {actor.login, login(actor)} & self._bots):
            return False
        self.left_out += 1
        return True

    def repository(self, known: Known) -> GitHubRepo:
        """The repository itself."""
        return GitHubRepo(
            repo_name=self._name,
            github_id=str(known.database_id),
            description=known.description or NOBODY,
            create_time=text(known.created_at),
            private=str(int(known.is_private)),
            forked=str(int(known.is_fork)),
            star_count=str(known.stargazer_count),
            watch_count=str(known.watchers.total_count),
        )

    def request(self, pull: PullRequest, reviews: list[Review]) -> MergeRequest:
        """A pull request, with the votes of all its reviews."""
        author, assignee = login(pull.author), _first(pull)
        states = [review.state for review in reviews]
        return MergeRequest(
            repo_name=self._name,
            id=str(pull.number),
            title=pull.title,
            description=pull.body,
            status=pull.pull_state.lower(),
            source_branch=pull.head_ref_name,
            target_branch=pull.base_ref_name,
            author=author,
            author_username=author,
            assignee=assignee,
            assignee_username=assignee,
            upvotes=str(states.count(UP)),
            downvotes=str(states.count(DOWN)),
            created_at=text(pull.created_at),
            updated_at=text(pull.updated_at),
        )

    def issue(self, item: Issue) -> GitHubIssue:
        """An issue, or a pull request as an issue."""
        author, assignee = login(item.author), _first(item)
        is_pull = isinstance(item, PullRequest)
        return GitHubIssue(
            repo_name=self._name,
            id=str(item.number),
            title=item.title,
            description=item.body,
            status="open" if item.closed_at is None else "closed",
            author=author,
            author_username=author,
            assignee=assignee,
            assignee_username=assignee,
            created_at=text(item.created_at),
            updated_at=text(item.updated_at),
            pull_request_id=str(item.number) if is_pull else NOBODY,
            labels=str(item.labels.total_count if item.labels else 0),
            closed_at=text(item.closed_at) if item.closed_at else NOBODY,
            closed_by=_closed_by(item),
        )

    def issue_note(self, comment: Comment, issue: int) -> GitHubIssueNote:
        """A comment on an issue, or on a pull request as an issue."""
        author = login(comment.author)
        return GitHubIssueNote(
            repo_name=self._name,
            issue_id=str(issue),
            note_id=str(comment.number),
            author=author,
            author_username=author,
            comment=comment.body,
            created_at=text(comment.created_at),
            updated_at=text(comment.updated_at),
        )

    def request_note(self, comment: Comment, pull: int) -> MergeRequestNote:
        """A comment on a pull request as a whole."""
        author = login(comment.author)
        return MergeRequestNote(
            repo_name=self._name,
            merge_request_id=str(pull),
            thread_id=NOBODY,
            note_id=str(comment.number),
            parent_id=NOBODY,
            author=author,
            author_username=author,
            comment=comment.body,
            created_at=text(comment.created_at),
            updated_at=text(comment.updated_at),
        )

    def review(self, review: Review, pull: int) -> MergeRequestReview:
        """A review, as a vote."""
        reviewer = login(review.author)
        return MergeRequestReview(
            repo_name=self._name,
            merge_request_id=str(pull),
            reviewer=reviewer,
            reviewer_username=reviewer,
            vote=_VOTES.get(review.state, NOBODY),
        )

    def line_comment(self, comment: LineComment, pull: int) -> CommitComment:
        """A comment on lines of a pull request, with the lines in the newest comparison that has them."""
        end = comment.line or comment.original_line
        start = comment.start_line if comment.line else comment.original_start_line
        commit = comment.commit or comment.original_commit
        parent = str(comment.reply_to.number) if comment.reply_to else NOBODY
        row = self.commit_comment(comment, commit.oid if commit else NOBODY, comment.path, start or end, end)
        row.merge_request_id, row.parent_id, row.line_type = str(pull), parent, _side(comment.diff_hunk)
        return row

    def commit_comment(
        self, comment: Comment, commit: str, path: str | None, start: int | None, end: int | None
    ) -> CommitComment:
        """A comment on a commit."""
        author = login(comment.author)
        return CommitComment(
            repo_name=self._name,
            commit_id=commit,
            merge_request_id=NOBODY,
            thread_id=NOBODY,
            note_id=str(comment.number),
            parent_id=NOBODY,
            author=author,
            author_username=author,
            comment=comment.body,
            file=path or NOBODY,
            line=str(start or NOBODY),
            end_line=str(end or NOBODY),
            line_type=NOBODY,
            created_date=text(comment.created_at),
            updated_date=text(comment.updated_at),
        )


def submitted(reviews: list[Review]) -> Iterator[Review]:
    """The reviews that others can see."""
    return (review for review in reviews if review.state != PENDING)


def moments(review: Review) -> tuple[datetime, datetime | None]:
    """When a review last changed, and when it was submitted."""
    return review.updated_at, review.submitted_at


def _first(item: Issue) -> str:
    return item.assignees.nodes[0].login if item.assignees.nodes else NOBODY


def _closed_by(item: Issue) -> str:
    if item.closed_at is None:
        return NOBODY
    if item.closed.nodes:
        return login(item.closed.nodes[0].actor)
    return login(item.merged_by) if isinstance(item, PullRequest) and item.merged_by else NOBODY


def _side(hunk: str) -> str:
    """The side of the comparison that a comment is on, from the last line of the hunk above it."""
    lines = hunk.split("\n")
    return _SIDES.get(lines[-1][:1], "context") if lines[0].startswith("@@") else NOBODY

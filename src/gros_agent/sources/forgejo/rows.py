"""Makes rows of what the API tells."""

from gros_agent.rows import (
    NOBODY,
    CommitComment,
    GitHubIssue,
    GitHubIssueNote,
    MergeRequest,
    MergeRequestNote,
    MergeRequestReview,
)
from gros_agent.sources.common.api import text
from gros_agent.sources.forgejo.shapes import Comment, Issue, Item, LineComment, PullRequest, Review, User

UP, DOWN, PENDING, REQUESTED = "APPROVED", "REQUEST_CHANGES", "PENDING", "REQUEST_REVIEW"
_ACTIONS = -2
"""The account of the server's own jobs, ``forgejo-actions`` or ``gitea-actions``."""
_VOTES = {UP: "1", DOWN: "-1"}
_SIDES = {"-": "old", "+": "new", " ": "context"}


def vote(review: Review) -> str:
    """A review as a vote; one that was dismissed takes no side."""
    return NOBODY if review.dismissed else _VOTES.get(review.state, NOBODY)


def is_given(review: Review) -> bool:
    """Whether somebody gave a review: others are asked for, or are seen by their author alone."""
    return review.user is not None and review.state not in {PENDING, REQUESTED}


class Rows:
    """Makes the rows of one repository. ``left_out`` counts the comments and reviews of the server's own jobs."""

    def __init__(self, name: str) -> None:
        self._name = name
        self.left_out = 0

    def is_bot(self, user: User | None) -> bool:
        """Whether a job of the server wrote something, which is left out then."""
        is_bot = user is not None and user.id == _ACTIONS
        self.left_out += is_bot
        return is_bot

    def request(self, pull: PullRequest, reviews: list[Review]) -> MergeRequest:
        """A pull request, with the votes of all its reviews."""
        votes = [vote(review) for review in reviews if is_given(review)]
        return MergeRequest(
            repo_name=self._name,
            id=str(pull.number),
            title=pull.title,
            description=pull.body or "",
            status="merged" if pull.merged else pull.state,
            source_branch=pull.head.name or NOBODY,
            target_branch=pull.base.name or NOBODY,
            author=_name(pull.user),
            author_username=_login(pull.user),
            assignee=_name(pull.assigned),
            assignee_username=_login(pull.assigned),
            upvotes=str(votes.count(_VOTES[UP])),
            downvotes=str(votes.count(_VOTES[DOWN])),
            created_at=text(pull.created),
            updated_at=text(pull.updated),
        )

    def issue(self, item: Item) -> GitHubIssue:
        """An issue, or a pull request as an issue."""
        author = (item.original_author if isinstance(item, Issue) else "") or _login(item.user)
        assignee = _login(item.assigned)
        merged_by = item.merged_by if isinstance(item, PullRequest) and item.merged else None
        return GitHubIssue(
            repo_name=self._name,
            id=str(item.number),
            title=item.title,
            description=item.body or "",
            status=item.state,
            author=author,
            author_username=author,
            assignee=assignee,
            assignee_username=assignee,
            created_at=text(item.created),
            updated_at=text(item.updated),
            pull_request_id=str(item.number) if isinstance(item, PullRequest) else NOBODY,
            labels=str(len(item.labels or ())),
            closed_at=text(item.closed_at) if item.closed_at else NOBODY,
            closed_by=_login(merged_by),
        )

    def issue_note(self, comment: Comment, issue: int) -> GitHubIssueNote:
        """A comment on an issue, or on a pull request as an issue."""
        author = comment.original_author or _login(comment.user)
        return GitHubIssueNote(
            repo_name=self._name,
            issue_id=str(issue),
            note_id=str(comment.id),
            author=author,
            author_username=author,
            comment=comment.body,
            created_at=text(comment.created),
            updated_at=text(comment.updated),
        )

    def request_note(self, comment: Comment, pull: int) -> MergeRequestNote:
        """A comment on a pull request as a whole."""
        return MergeRequestNote(
            repo_name=self._name,
            merge_request_id=str(pull),
            thread_id=NOBODY,
            note_id=str(comment.id),
            parent_id=NOBODY,
            author=comment.original_author or _name(comment.user),
            author_username=comment.original_author or _login(comment.user),
            comment=comment.body,
            created_at=text(comment.created),
            updated_at=text(comment.updated),
        )

    def review(self, review: Review, pull: int) -> MergeRequestReview:
        """A review, as a vote."""
        return MergeRequestReview(
            repo_name=self._name,
            merge_request_id=str(pull),
            reviewer=_name(review.user),
            reviewer_username=_login(review.user),
            vote=vote(review),
        )

    def line_comment(self, comment: LineComment, pull: int, parent: int | None) -> CommitComment:
        """A comment on lines of a pull request."""
        line = comment.position or comment.original_position
        return CommitComment(
            repo_name=self._name,
            commit_id=comment.commit_id or comment.original_commit_id or NOBODY,
            merge_request_id=str(pull),
            thread_id=NOBODY,
            note_id=str(comment.id),
            parent_id=str(parent or NOBODY),
            author=_name(comment.user),
            author_username=_login(comment.user),
            comment=comment.body,
            file=comment.path or NOBODY,
            line=str(line),
            end_line=str(line + comment.extra_lines_count if line else 0),
            line_type=_side(comment),
            created_date=text(comment.created),
            updated_date=text(comment.updated),
        )


def _name(user: User | None) -> str:
    return (user and user.name) or NOBODY


def _login(user: User | None) -> str:
    return (user and user.login) or NOBODY


def _side(comment: LineComment) -> str:
    """The side of the comparison that a comment stands at.

    The part of the comparison that comes with it ends with its line, and tells whether both sides have that.
    """
    if not comment.position and not comment.original_position:
        return NOBODY
    lines = [line for line in comment.diff_hunk.split("\n") if not line.startswith("\\")]
    last = lines[-1][:1] if comment.diff_hunk.startswith("@@") and not comment.extra_lines_count else ""
    if _SIDES.get(last) == "context":
        return "context"
    return "new" if comment.position else "old"

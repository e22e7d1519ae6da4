"""Makes rows of pull requests, their threads, and pushes. Identifiers are those of existing installations."""

import re
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from gros_agent.rows import NOBODY, CommitComment, MergeRequest, MergeRequestNote, MergeRequestReview, VcsEvent
from gros_agent.sources.azure_devops.answers import Comment, Identity, PullRequest, Push, Thread, ThreadContext
from gros_agent.sources.common.api import text, whole

TARGET = "CodeReviewTargetCommit"
"""The property of a thread with the commit that its pull request was to be merged into."""
_GROUP = re.compile(r"\[[^\]]+\]\\")
_SYSTEM = "vstfs:///"
_COMMIT = re.compile("[0-9a-f]+")
_ZEROS = re.compile("0+")


def name(identity: Identity | None) -> str:
    """The name of a person."""
    return (identity and (identity.display_name or identity.unique_name)) or NOBODY


def account(identity: Identity | None) -> str:
    """The account of a person, or the name if no account is known."""
    return (identity and (identity.unique_name or identity.display_name)) or NOBODY


def is_group(identity: Identity | None) -> bool:
    """Whether an account stands for several people. On old servers only the name shows this."""
    if identity is None:
        return False
    if identity.is_container is not None:
        return identity.is_container
    return any(_GROUP.match(one or "") for one in (identity.display_name, identity.unique_name))


def activity(pull: PullRequest, threads: list[Thread]) -> datetime:
    """The time of the last known activity on a pull request."""
    moments = [pull.closed_date or pull.creation_date]
    for thread in threads:
        moments += [thread.last_updated_date, *(one.last_updated_date for one in thread.comments or ())]
    return max(moments, key=whole)


class Rows:
    """Makes the rows of one repository."""

    def __init__(self, repository: str) -> None:
        self._name = repository

    def request(self, pull: PullRequest, updated: datetime) -> MergeRequest:
        """A pull request, with the votes of its reviewers."""
        votes = [one.vote for one in pull.reviewers or () if not is_group(one)]
        return MergeRequest(
            repo_name=self._name,
            id=str(pull.pull_request_id),
            title=pull.title,
            description=pull.description or "",
            status=pull.status,
            source_branch=pull.source_ref_name,
            target_branch=pull.target_ref_name,
            author=name(pull.created_by),
            author_username=account(pull.created_by),
            assignee=NOBODY,
            assignee_username=NOBODY,
            upvotes=str(sum(vote > 0 for vote in votes)),
            downvotes=str(sum(vote < 0 for vote in votes)),
            created_at=text(pull.creation_date),
            updated_at=text(updated),
        )

    def reviews(self, pull: PullRequest) -> Iterator[MergeRequestReview]:
        """The votes of a pull request's reviewers."""
        for reviewer in pull.reviewers or ():
            if not is_group(reviewer):
                yield MergeRequestReview(
                    repo_name=self._name,
                    merge_request_id=str(pull.pull_request_id),
                    reviewer=name(reviewer),
                    reviewer_username=account(reviewer),
                    vote=str(reviewer.vote),
                )

    def note(self, pull: PullRequest, thread: Thread, comment: Comment) -> MergeRequestNote:
        """A comment on a pull request as a whole."""
        return MergeRequestNote(
            repo_name=self._name,
            merge_request_id=str(pull.pull_request_id),
            thread_id=str(thread.id),
            note_id=str(comment.id),
            parent_id=str(comment.parent_comment_id or NOBODY),
            author=name(comment.author),
            author_username=account(comment.author),
            comment=comment.content or "",
            created_at=text(comment.published_date),
            updated_at=text(comment.last_updated_date),
        )

    def line_comment(
        self, pull: PullRequest, thread: Thread, comment: Comment, context: ThreadContext
    ) -> CommitComment:
        """A comment on a file, or on lines of it."""
        side, start, end = _lines(context)
        return CommitComment(
            repo_name=self._name,
            commit_id=_commit(pull, thread.properties or {}),
            merge_request_id=str(pull.pull_request_id),
            thread_id=str(thread.id),
            note_id=str(comment.id),
            parent_id=str(comment.parent_comment_id or NOBODY),
            author=name(comment.author),
            author_username=account(comment.author),
            comment=comment.content or "",
            file=context.file_path or NOBODY,
            line=str(start),
            end_line=str(end),
            line_type=side,
            created_date=text(comment.published_date),
            updated_date=text(comment.last_updated_date),
        )

    def events(self, push: Push) -> Iterator[VcsEvent]:
        """The effect of a push on each branch and tag. Pushes by the server itself are left out."""
        username = account(push.pushed_by)
        if username.startswith(_SYSTEM):
            return
        for update in push.ref_updates or ():
            action, version = "pushed to", update.new_object_id
            if _ZEROS.fullmatch(update.old_object_id):
                action = "pushed new"
            elif _ZEROS.fullmatch(update.new_object_id):
                action, version = "deleted", update.old_object_id
            yield VcsEvent(
                repo_name=self._name,
                version_id=version,
                action=action,
                kind="push",
                ref=update.name or NOBODY,
                user=name(push.pushed_by),
                username=username,
                email=username if "@" in username else NOBODY,
                date=text(push.date),
            )


def written(thread: Thread) -> Iterator[Comment]:
    """The comments of a thread that people wrote, without deleted ones."""
    if not thread.is_deleted:
        for comment in thread.comments or ():
            if not comment.is_deleted and not is_group(comment.author):
                yield comment


def _lines(context: ThreadContext) -> tuple[str, int, int]:
    """The side of the comparison, and the first and the last line. Zeros stand for a whole file."""
    for side, start, end in (
        ("new", context.right_file_start, context.right_file_end),
        ("old", context.left_file_start, context.left_file_end),
    ):
        if start is not None:
            return side, max(0, start.line), max(0, (end or start).line)
    return NOBODY, 0, 0


def _commit(pull: PullRequest, properties: Mapping[str, Any]) -> str:
    """The commit that the lines were compared with: the thread's own, or that of the last merge."""
    own = properties.get(TARGET)
    found = own.get("$value") if isinstance(own, dict) else own
    last = pull.last_merge_target_commit
    commit = found if isinstance(found, str) else (last.commit_id if last else None)
    return commit if commit and _COMMIT.fullmatch(commit) else NOBODY

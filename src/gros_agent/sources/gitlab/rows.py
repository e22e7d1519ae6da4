"""Makes rows from the API's answers. Identifiers are those of existing installations."""

from gros_agent.rows import (
    NOBODY,
    CommitComment,
    GitLabRepo,
    MergeRequest,
    MergeRequestNote,
    MergeRequestReview,
    VcsEvent,
)
from gros_agent.sources.common.api import text
from gros_agent.sources.gitlab.shapes import CommitNote, Event, Note, Position, Project, Request, User


class Rows:
    """Makes the rows of one project."""

    def __init__(self, name: str) -> None:
        self._name = name

    def repository(self, project: Project) -> GitLabRepo:
        """The project itself."""
        return GitLabRepo(
            repo_name=self._name,
            gitlab_id=str(project.id),
            description=project.description or NOBODY,
            create_time=text(project.created_at),
            archived=str(int(project.archived)),
            has_avatar=str(int(project.avatar_url is not None)),
            star_count=str(project.star_count),
        )

    def request(self, request: Request) -> MergeRequest:
        """A merge request, with its global identifier."""
        author, author_username = _names(request.author)
        assignee, assignee_username = _names(request.assignee or next(iter(request.assignees), None))
        return MergeRequest(
            repo_name=self._name,
            id=str(request.id),
            title=request.title,
            description=request.description or "",
            status=request.state,
            source_branch=request.source_branch,
            target_branch=request.target_branch,
            author=author,
            author_username=author_username,
            assignee=assignee,
            assignee_username=assignee_username,
            upvotes=str(request.upvotes),
            downvotes=str(request.downvotes),
            created_at=text(request.created_at),
            updated_at=text(request.updated_at),
        )

    def note(self, note: Note, request: int, parent: int | None) -> MergeRequestNote:
        """A note on a merge request as a whole."""
        author, author_username = _names(note.author)
        return MergeRequestNote(
            repo_name=self._name,
            merge_request_id=str(request),
            thread_id=NOBODY,
            note_id=str(note.id),
            parent_id=str(parent or NOBODY),
            author=author,
            author_username=author_username,
            comment=note.body or "",
            created_at=text(note.created_at),
            updated_at=text(note.updated_at or note.created_at),
        )

    def line_note(self, note: Note, position: Position, request: int, parent: int | None) -> CommitComment:
        """A note on lines of a merge request."""
        author, author_username = _names(note.author)
        end = position.new_line or position.old_line
        first = position.line_range.start if position.line_range else None
        start = (first.new_line or first.old_line if first else None) or end
        return CommitComment(
            repo_name=self._name,
            commit_id=position.head_sha or note.commit_id or NOBODY,
            merge_request_id=str(request),
            thread_id=NOBODY,
            note_id=str(note.id),
            parent_id=str(parent or NOBODY),
            author=author,
            author_username=author_username,
            comment=note.body or "",
            file=position.new_path or position.old_path or NOBODY,
            line=str(start or NOBODY),
            end_line=str(end or NOBODY),
            line_type=_side(position),
            created_date=text(note.created_at),
            updated_date=text(note.updated_at or note.created_at),
        )

    def commit_comment(self, comment: CommitNote, commit: str) -> CommitComment:
        """A comment on a commit. The API has no identifier for it."""
        author, author_username = _names(comment.author)
        line = str(comment.line or NOBODY)
        return CommitComment(
            repo_name=self._name,
            commit_id=commit,
            merge_request_id=NOBODY,
            thread_id=NOBODY,
            note_id=NOBODY,
            parent_id=NOBODY,
            author=author,
            author_username=author_username,
            comment=comment.note,
            file=comment.path or NOBODY,
            line=line,
            end_line=line,
            line_type=comment.line_type or NOBODY,
            created_date=text(comment.created_at),
            updated_date=text(comment.created_at),
        )

    def approval(self, user: User, request: int) -> MergeRequestReview:
        """An approval, as a vote."""
        reviewer, reviewer_username = _names(user)
        return MergeRequestReview(
            repo_name=self._name,
            merge_request_id=str(request),
            reviewer=reviewer,
            reviewer_username=reviewer_username,
            vote="1",
        )

    def event(self, event: Event, commit: str) -> VcsEvent:
        """A commit of a push."""
        user, username = _names(event.author)
        push = event.push_data
        return VcsEvent(
            repo_name=self._name,
            version_id=commit,
            action=event.action_name,
            kind=push.ref_type if push else NOBODY,
            ref=(push.ref if push else None) or NOBODY,
            user=user if event.author else event.author_username or NOBODY,
            username=event.author_username or username,
            email=NOBODY,
            date=text(event.created_at),
        )


def _names(user: User | None) -> tuple[str, str]:
    return (user.name, user.username) if user else (NOBODY, NOBODY)


def _side(position: Position) -> str:
    if position.new_line and position.old_line:
        return "context"
    if position.new_line or position.old_line:
        return "new" if position.new_line else "old"
    return NOBODY

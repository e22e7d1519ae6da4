"""Collects the boards of a project: the current teams with members and sprints, and versions of work items."""

from collections.abc import Iterator, Mapping, Sequence
from urllib.parse import parse_qsl, urlsplit

from gros_agent.errors import SourceError
from gros_agent.http.client import Answer
from gros_agent.http.paging import Query, pages
from gros_agent.rows import NOBODY, Row, TfsDeveloper, TfsSprint, TfsTeam, TfsTeamMember, TfsWorkItem
from gros_agent.sources.azure_devops import fields
from gros_agent.sources.azure_devops.access import Api
from gros_agent.sources.azure_devops.answers import Iteration, Listed, Member, Revision, Revisions, Team
from gros_agent.sources.azure_devops.place import quoted
from gros_agent.sources.azure_devops.rows import account, name
from gros_agent.sources.base import Progress
from gros_agent.sources.common.api import Since

BATCH = 200
"""Versions of work items per request. Their descriptions can be long."""


class Boards:
    """The boards of one project, for a source with this name."""

    def __init__(self, found: Api, repository: str, since: Since, progress: Progress) -> None:
        self._api = found
        self._name = repository
        self._since = since
        self._progress = progress
        self._developers: set[tuple[str, str]] = set()

    def teams(self) -> Iterator[Sequence[Row]]:
        """Teams, their members and their sprints."""
        project = quoted(self._api.known.project.id)
        url = f"{self._api.place.url}/_apis/projects/{project}/teams"
        for teams, _ in self._api.pages(url, Team, lambda team: team.id):
            yield [
                TfsTeam(repo_name=self._name, team_name=team.name, description=team.description or NOBODY)
                for team in teams
            ]
            for team in teams:
                yield from self._members(team, f"{url}/{quoted(team.id)}/members")
                sprints = f"{self._api.place.url}/{project}/{quoted(team.id)}/_apis/work/teamsettings/iterations"
                answer = self._api.ask(sprints, Listed[Iteration], version=self._api.boards_version)
                yield [self._sprint(team, one) for one in answer.value.value]

    def _members(self, team: Team, url: str) -> Iterator[Sequence[Row]]:
        for members, _ in self._api.pages(url, Member, lambda member: member.person.id or account(member.person)):
            people = [(name(one.person), account(one.person)) for one in members]
            yield [
                TfsTeamMember(repo_name=self._name, team_name=team.name, user=user, username=username)
                for user, username in people
            ]
            if self._since.moment is None:
                yield self._new_developers(people)

    def _sprint(self, team: Team, iteration: Iteration) -> TfsSprint:
        row = TfsSprint(repo_name=self._name, team_name=team.name, sprint_name=iteration.name)
        dates = iteration.attributes
        if dates and (start := fields.moment(dates.start_date)):
            row.start_date = start
        if dates and (end := fields.moment(dates.finish_date)):
            row.end_date = end
        return row

    def work_items(self) -> Iterator[Sequence[Row]]:
        """The versions of work items since the position, and the people in them."""
        seen = 0
        for answer in self._batches():
            new: list[Revision] = []
            for one in answer.value.values:
                changed = fields.parsed(one.fields.get("System.ChangedDate"))
                if changed is not None:
                    self._since.saw(changed, answer.headers)
                if self._since.is_new(changed):
                    new.append(one)
            people = [fields.person(one.fields.get(field)) for one in new for field in fields.PERSONS.values()]
            yield self._new_developers([one for one in people if one])
            yield [_work_item(one) for one in new]
            seen += len(new)
            self._progress("versions of work items", seen, None)

    def _batches(self) -> Iterator[Answer[Revisions]]:
        url = f"{self._api.place.project_url}/_apis/wit/reporting/workitemrevisions"
        query = {
            "includeIdentityRef": "true",
            "$expand": "fields",
            "$maxPageSize": str(BATCH),
            "api-version": self._api.boards_version,
        }
        start = self._since.utc()
        first = {**query, "startDateTime": start} if start else query

        def following(answer: Answer[Revisions], asked: Query) -> Query | None:
            if answer.value.is_last_batch:
                return None
            return {**query, "$maxPageSize": asked["$maxPageSize"], **_next(answer.value, url)}

        yield from pages(self._api.client, url, Revisions, first, following, size="$maxPageSize")

    def _new_developers(self, people: Sequence[tuple[str, str]]) -> list[TfsDeveloper]:
        new = [one for one in dict.fromkeys(people) if one not in self._developers]
        self._developers.update(new)
        return [TfsDeveloper(display_name=user, email=email) for user, email in new]


def _next(batch: Revisions, url: str) -> Mapping[str, str]:
    """The query for the next batch. Older servers return it only in a link, or as a watermark."""
    if batch.continuation_token:
        return {"continuationToken": batch.continuation_token}
    told = dict(parse_qsl(urlsplit(batch.next_link or "").query))
    for mark in ("continuationToken", "watermark"):
        if told.get(mark):
            return {mark: told[mark]}
    raise SourceError(f"{url} says that there is more, but not how to get it", "try again later; see the system's log")


def _work_item(revision: Revision) -> TfsWorkItem:
    columns = {"title": "", "attachments": NOBODY, **fields.written(revision.fields)}
    for column, field in fields.PERSONS.items():
        found = fields.person(revision.fields.get(field))
        columns[column] = found[0] if found else NOBODY
    return TfsWorkItem(issue_id=str(revision.id), changelog_id=str(revision.rev), **columns)

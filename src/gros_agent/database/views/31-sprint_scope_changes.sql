-- Issues of Jira that were added to a sprint, or removed from it, after it began and before it ended
WITH marked AS (
    SELECT *, lag(sprint) OVER (PARTITION BY project, issue_id ORDER BY changelog_id) AS former,
        lag(changelog_id) OVER (PARTITION BY project, issue_id ORDER BY changelog_id) AS former_version
    FROM gros.jira_issue
), moves AS (
    SELECT project, issue_id, key, sprint, 'added' AS change, updated AS moment FROM marked
    WHERE sprint IS NOT NULL AND (former_version IS NULL OR former IS DISTINCT FROM sprint)
    UNION ALL
    SELECT project, issue_id, key, former, 'removed', updated FROM marked
    WHERE former IS NOT NULL AND former IS DISTINCT FROM sprint
)
SELECT moves.project, moves.sprint, sprint.name, moves.issue_id, moves.key, moves.change, moves.moment
FROM moves
JOIN gros.jira_sprint AS sprint ON sprint.project = moves.project AND sprint.id = moves.sprint
WHERE moves.moment > sprint.start_date AND moves.moment <= COALESCE(sprint.complete_date, sprint.end_date, moves.moment)

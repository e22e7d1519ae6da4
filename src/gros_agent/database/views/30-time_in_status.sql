-- How long issues of Jira were in each status, in hours; ended_at is empty for the status that one is in
WITH marked AS (
    SELECT *, lag(status) OVER (PARTITION BY project, issue_id ORDER BY changelog_id) AS former,
        lag(changelog_id) OVER (PARTITION BY project, issue_id ORDER BY changelog_id) AS former_version
    FROM gros.jira_issue
), changes AS (
    SELECT project, issue_id, key, status, updated AS began_at,
        lead(updated) OVER (PARTITION BY project, issue_id ORDER BY changelog_id) AS ended_at
    FROM marked
    WHERE former_version IS NULL OR former IS DISTINCT FROM status
)
SELECT
    changes.project, changes.issue_id, changes.key, changes.status, status.name, changes.began_at, changes.ended_at,
    EXTRACT(EPOCH FROM (changes.ended_at - changes.began_at)) / 3600.0 AS hours
FROM changes
LEFT JOIN gros.jira_status AS status ON status.project = changes.project AND status.id = changes.status

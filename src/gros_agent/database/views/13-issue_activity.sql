-- What happened to issues: comments, changes of status or of who is to resolve them, and closing
SELECT project, 'github' AS tracker, repo_name AS source, CAST(issue_id AS TEXT) AS issue, author_username AS person,
    created_at AS moment, 'comment' AS kind
FROM gros.github_issue_note
UNION ALL
SELECT project, 'jira', NULL, CAST(issue_id AS TEXT), author, created_at, 'comment' FROM gros.jira_comments
UNION ALL
SELECT project, 'jira', NULL, CAST(issue_id AS TEXT), updated_by, updated, 'change'
FROM (
    SELECT *,
        lag(status) OVER issue_versions AS former_status, lag(assignee) OVER issue_versions AS former_assignee,
        lag(changelog_id) OVER issue_versions AS former
    FROM gros.jira_issue
    WINDOW issue_versions AS (PARTITION BY project, issue_id ORDER BY changelog_id)
) AS version
WHERE former IS NOT NULL
    AND (former_status IS DISTINCT FROM status OR former_assignee IS DISTINCT FROM assignee)
UNION ALL
SELECT project, 'azure', NULL, CAST(issue_id AS TEXT), updated_by, updated, 'change'
FROM (
    SELECT *,
        lag(status) OVER item_versions AS former_status, lag(assignee) OVER item_versions AS former_assignee,
        lag(changelog_id) OVER item_versions AS former
    FROM gros.tfs_work_item
    WINDOW item_versions AS (PARTITION BY project, issue_id ORDER BY changelog_id)
) AS version
WHERE former IS NOT NULL
    AND (former_status IS DISTINCT FROM status OR former_assignee IS DISTINCT FROM assignee)
UNION ALL
SELECT project, tracker, source, issue, NULL, closed_at, 'closed' FROM gros.issues WHERE closed_at IS NOT NULL

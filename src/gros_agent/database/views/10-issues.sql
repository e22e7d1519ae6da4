-- Issues of all trackers: when they were made, and when they were closed
-- An issue of Jira is closed while its status is of the category done, and a work item of Azure Boards in one of the states
-- Closed, Completed, Done and Removed; closed_at is when that became so, the last time. Pull requests are no issues.
WITH jira AS (
    SELECT
        version.project, version.issue_id, version.changelog_id, version.key, version.reporter, version.created,
        version.updated, COALESCE(category.key = 'done', FALSE) AS is_done
    FROM gros.jira_issue AS version
    LEFT JOIN gros.jira_status AS status ON status.project = version.project AND status.id = version.status
    LEFT JOIN gros.jira_status_category AS category
        ON category.project = version.project AND category.id = status."statusCategory"
), azure AS (
    SELECT
        project, issue_id, changelog_id, reporter, created_date, updated,
        COALESCE(lower(status) IN ('closed', 'completed', 'done', 'removed'), FALSE) AS is_done
    FROM gros.tfs_work_item
), jira_open AS (
    SELECT project, issue_id, max(changelog_id) FILTER (WHERE NOT is_done) AS still_open, max(changelog_id) AS newest
    FROM jira GROUP BY project, issue_id
), azure_open AS (
    SELECT project, issue_id, max(changelog_id) FILTER (WHERE NOT is_done) AS still_open, max(changelog_id) AS newest
    FROM azure GROUP BY project, issue_id
)
SELECT
    project, 'github' AS tracker, repo_name AS source, CAST(id AS TEXT) AS issue, CAST(id AS TEXT) AS name,
    author_username AS reporter, created_at, closed_at
FROM gros.github_issue
WHERE pull_request_id IS NULL
UNION ALL
SELECT
    jira.project, 'jira', NULL, CAST(jira.issue_id AS TEXT), max(jira.key) FILTER (WHERE jira.changelog_id = newest),
    max(jira.reporter) FILTER (WHERE jira.changelog_id = newest), min(jira.created),
    min(jira.updated) FILTER (WHERE jira.changelog_id > COALESCE(still_open, -1))
FROM jira JOIN jira_open USING (project, issue_id)
GROUP BY jira.project, jira.issue_id
UNION ALL
SELECT
    azure.project, 'azure', NULL, CAST(azure.issue_id AS TEXT), CAST(azure.issue_id AS TEXT),
    max(azure.reporter) FILTER (WHERE azure.changelog_id = newest), min(azure.created_date),
    min(azure.updated) FILTER (WHERE azure.changelog_id > COALESCE(still_open, -1))
FROM azure JOIN azure_open USING (project, issue_id)
GROUP BY azure.project, azure.issue_id

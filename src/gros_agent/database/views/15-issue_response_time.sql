-- Issue Response Time: how much time passes until somebody else comments on an issue, in hours
-- https://chaoss.community/kb/metric-issue-response-time/
SELECT
    issue.project, issue.tracker, issue.source, issue.issue, issue.created_at, min(activity.moment) AS responded_at,
    EXTRACT(EPOCH FROM (min(activity.moment) - issue.created_at)) / 3600.0 AS hours
FROM gros.issues AS issue
LEFT JOIN gros.issue_activity AS activity
    ON activity.project = issue.project AND activity.tracker = issue.tracker
    AND activity.source IS NOT DISTINCT FROM issue.source AND activity.issue = issue.issue
    AND activity.kind = 'comment' AND activity.person IS NOT NULL
    AND activity.person IS DISTINCT FROM issue.reporter AND activity.moment >= issue.created_at
GROUP BY issue.project, issue.tracker, issue.source, issue.issue, issue.created_at

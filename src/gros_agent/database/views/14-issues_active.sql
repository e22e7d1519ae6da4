-- Issues Active: which issues showed activity, by the month
-- https://chaoss.community/kb/metric-issues-active/
SELECT activity.project, activity.tracker, activity.source, date_trunc('month', activity.moment) AS month,
    count(DISTINCT activity.issue) AS issues
FROM gros.issue_activity AS activity
JOIN gros.issues AS issue
    ON issue.project = activity.project AND issue.tracker = activity.tracker
    AND issue.source IS NOT DISTINCT FROM activity.source AND issue.issue = activity.issue
GROUP BY activity.project, activity.tracker, activity.source, date_trunc('month', activity.moment)

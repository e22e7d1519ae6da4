-- Issues Closed: which issues were closed and stayed so, by the month
-- https://chaoss.community/kb/metric-issues-closed/
SELECT project, tracker, source, date_trunc('month', closed_at) AS month, count(*) AS issues
FROM gros.issues
WHERE closed_at IS NOT NULL
GROUP BY project, tracker, source, date_trunc('month', closed_at)

-- Issues New: which issues were created, by the month
-- https://chaoss.community/kb/metric-issues-new/
SELECT project, tracker, source, date_trunc('month', created_at) AS month, count(*) AS issues
FROM gros.issues
GROUP BY project, tracker, source, date_trunc('month', created_at)

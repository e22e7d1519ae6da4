-- Code Changes Lines: how many lines were touched, by the month: those added and those removed
-- https://chaoss.community/kb/metric-code-changes-lines/
SELECT project, repo_name, date_trunc('month', moment) AS month,
    sum(insertions) AS added, sum(deletions) AS removed, sum(insertions) + sum(deletions) AS touched
FROM gros.contributions
GROUP BY project, repo_name, date_trunc('month', moment)

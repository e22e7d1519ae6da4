-- Code Changes Commits: how many changes were made to the source code, by the month
-- Merges and empty commits count, and so does the date of the author: these are the definition's defaults.
-- https://chaoss.community/kb/metric-code-changes-commits/
SELECT project, repo_name, date_trunc('month', moment) AS month, count(*) AS commits
FROM gros.contributions
GROUP BY project, repo_name, date_trunc('month', moment)

-- Contributor Absence Factor: the fewest people who made half of the commits of a year
-- https://chaoss.community/kb/metric-contributor-absence-factor/
WITH ranked AS (
    SELECT project, year, commits,
        sum(commits) OVER (PARTITION BY project, year ORDER BY commits DESC, contributor) AS together,
        sum(commits) OVER (PARTITION BY project, year) AS everybody
    FROM gros.occasional_contributors
)
SELECT project, year, count(*) FILTER (WHERE 2 * (together - commits) < everybody) AS people, count(*) AS contributors
FROM ranked
GROUP BY project, year

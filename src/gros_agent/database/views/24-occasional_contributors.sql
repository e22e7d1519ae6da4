-- Occasional Contributors: who made fewer than five contributions in a year
-- The definition leaves the number open; commits has it for another choice.
-- https://chaoss.community/kb/metric-occasional-contributors/
SELECT project, contributor, date_trunc('year', moment) AS year, count(*) AS commits, count(*) < 5 AS is_occasional
FROM gros.contributions
WHERE contributor IS NOT NULL
GROUP BY project, contributor, date_trunc('year', moment)

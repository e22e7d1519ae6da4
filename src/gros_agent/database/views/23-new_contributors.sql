-- New Contributors: who made a first contribution, and when
-- https://chaoss.community/kb/metric-new-contributors/
SELECT project, contributor, min(moment) AS first_contribution
FROM gros.contributions
WHERE contributor IS NOT NULL
GROUP BY project, contributor

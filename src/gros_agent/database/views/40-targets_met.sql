-- The newest measurement of each metric against its newest target
-- If a metric was measured twice at one moment, the later batch counts, and then the larger value.
-- is_met is empty where nothing could be measured, where there is no target, or where it is not known which way is better.
WITH measured AS (
    SELECT *, row_number() OVER (
        PARTITION BY project, name ORDER BY date DESC, batch DESC, value DESC NULLS LAST
    ) AS number
    FROM gros.metrics
), targets AS (
    SELECT *, row_number() OVER (PARTITION BY project, name ORDER BY revision DESC) AS number
    FROM gros.metric_targets
)
SELECT
    measured.project, measured.name, COALESCE(measured.base_name, targets.base_name) AS base_name,
    COALESCE(measured.domain_name, targets.domain_name) AS domain_name, measured.date AS measured_at, measured.value,
    targets.target, targets.direction, measured.category,
    CASE
        WHEN targets.direction = 1 THEN measured.value >= targets.target
        WHEN targets.direction = -1 THEN measured.value <= targets.target
    END AS is_met
FROM measured
LEFT JOIN targets ON targets.project = measured.project AND targets.name = measured.name AND targets.number = 1
WHERE measured.number = 1

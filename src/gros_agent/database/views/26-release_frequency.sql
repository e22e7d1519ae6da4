-- Release Frequency: when releases were made, and how many days after the one before
-- A release is a tag. Its moment is that of the tag, or that of its commit.
-- https://chaoss.community/kb/metric-release-frequency/
WITH releases AS (
    SELECT tag.project, tag.repo_name, tag.tag_name, COALESCE(tag.tagged_date, version.commit_date) AS released_at
    FROM gros.tag AS tag
    LEFT JOIN gros.vcs_versions AS version
        ON version.project = tag.project AND version.repo_name = tag.repo_name AND version.version_id = tag.version_id
)
SELECT
    project, repo_name, tag_name, released_at,
    EXTRACT(EPOCH FROM (released_at - lag(released_at) OVER (PARTITION BY project, repo_name ORDER BY released_at, tag_name)))
        / 86400.0 AS days_since_last
FROM releases
WHERE released_at IS NOT NULL

-- Change Requests Duration: how much time passes until a change request is accepted, in hours
-- It may be too long, by a comment that came later; see change_requests.
-- https://chaoss.community/kb/metric-change-requests-duration/
SELECT
    project, repo_name, id, created_at, ended_at,
    EXTRACT(EPOCH FROM (ended_at - created_at)) / 3600.0 AS hours
FROM gros.change_requests
WHERE state = 'accepted'

-- Time to First Response: how much time passes until somebody else comments on a change request, in hours
-- A change request without a response has none. Votes have no moment, and do not count.
-- https://chaoss.community/kb/metric-time-to-first-response/
SELECT
    request.project, request.repo_name, request.id, request.created_at, min(comment.created_at) AS responded_at,
    EXTRACT(EPOCH FROM (min(comment.created_at) - request.created_at)) / 3600.0 AS hours
FROM gros.change_requests AS request
LEFT JOIN gros.change_request_comments AS comment
    ON comment.project = request.project AND comment.repo_name = request.repo_name AND comment.id = request.id
    AND comment.author IS NOT NULL AND comment.author IS DISTINCT FROM request.author
    AND comment.created_at >= request.created_at
GROUP BY request.project, request.repo_name, request.id, request.created_at

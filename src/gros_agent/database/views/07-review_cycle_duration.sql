-- Review Cycle Duration within a Change Request: how long each cycle of a review takes, in hours
-- A cycle begins when a change request is made, or when its author writes after a response. It ends with the next
-- response, or with the change request. Pushes to its branch do not count: few systems tell them.
-- https://chaoss.community/kb/metric-review-cycle-duration-within-a-change-request/
WITH events AS (
    SELECT project, repo_name, id, created_at AS moment, TRUE AS by_author FROM gros.change_requests
    UNION ALL
    SELECT comment.project, comment.repo_name, comment.id, comment.created_at, comment.author = request.author
    FROM gros.change_request_comments AS comment
    JOIN gros.change_requests AS request
        ON request.project = comment.project AND request.repo_name = comment.repo_name AND request.id = comment.id
    WHERE comment.author IS NOT NULL AND request.author IS NOT NULL AND comment.created_at >= request.created_at
), marked AS (
    SELECT *, lag(by_author) OVER (PARTITION BY project, repo_name, id ORDER BY moment, by_author DESC) AS before
    FROM events
), turns AS (
    SELECT *, lead(moment) OVER (PARTITION BY project, repo_name, id ORDER BY moment, by_author DESC) AS response
    FROM marked
    WHERE before IS DISTINCT FROM by_author
), cycles AS (
    SELECT turns.project, turns.repo_name, turns.id, turns.moment AS began_at,
        COALESCE(turns.response, request.ended_at) AS ended_at
    FROM turns
    JOIN gros.change_requests AS request
        ON request.project = turns.project AND request.repo_name = turns.repo_name AND request.id = turns.id
    WHERE turns.by_author
)
SELECT
    project, repo_name, id,
    row_number() OVER (PARTITION BY project, repo_name, id ORDER BY began_at) AS cycle,
    began_at, ended_at,
    EXTRACT(EPOCH FROM (ended_at - began_at)) / 3600.0 AS hours
FROM cycles

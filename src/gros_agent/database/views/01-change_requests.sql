-- Change Requests: what new change requests occurred
-- A change request is a pull request or merge request. One is accepted if it was merged, and declined if it was closed
-- without that. No system's list tells when it ended: ended_at is its last change, which may be a later comment.
-- https://chaoss.community/kb/metric-change-requests/
SELECT
    project, repo_name, id, title, author, author_username, source_branch, target_branch, upvotes, downvotes, created_at,
    CASE
        WHEN lower(status) IN ('merged', 'completed') THEN 'accepted'
        WHEN lower(status) IN ('closed', 'abandoned') THEN 'declined'
        ELSE 'open'
    END AS state,
    CASE WHEN lower(status) IN ('merged', 'completed', 'closed', 'abandoned') THEN updated_at END AS ended_at
FROM gros.merge_request

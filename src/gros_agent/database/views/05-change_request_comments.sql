-- Comments on change requests, also those on lines of code
SELECT project, repo_name, merge_request_id AS id, author, created_at FROM gros.merge_request_note
UNION ALL
SELECT project, repo_name, merge_request_id AS id, author, created_date AS created_at
FROM gros.commit_comment
WHERE merge_request_id IS NOT NULL AND merge_request_id <> 0

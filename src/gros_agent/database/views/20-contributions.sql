-- Commits with who made them, by address, or by name where there is no address
-- The moment is that of the author, or that of the commit where it is not known.
SELECT
    project, repo_name, version_id, COALESCE(developer_email, developer) AS contributor,
    COALESCE(author_date, commit_date) AS moment, type, insertions, deletions, number_of_files
FROM gros.vcs_versions

-- The size of each build server: jobs, views and nodes
SELECT project, host, jobs, views, nodes FROM gros.jenkins

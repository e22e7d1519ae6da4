-- Change Requests Accepted: which change requests were accepted
-- https://chaoss.community/kb/metric-change-requests-accepted/
SELECT * FROM gros.change_requests WHERE state = 'accepted'

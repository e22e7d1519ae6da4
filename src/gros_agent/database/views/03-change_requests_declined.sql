-- Change Requests Declined: which change requests were declined
-- https://chaoss.community/kb/metric-change-requests-declined/
SELECT * FROM gros.change_requests WHERE state = 'declined'

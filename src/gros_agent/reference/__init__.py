"""The reference controller: a small, real controller, for trying the agent and for its tests.

It has the interfaces of existing controllers (an HTTPS API, SFTP, classic scp), takes every batch once, and stores
batches in plain folders.
"""

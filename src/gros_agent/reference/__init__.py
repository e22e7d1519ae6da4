"""The reference controller: a small, real server of the other side, for trying the agent and for its tests.

It speaks what existing controllers speak (an HTTPS API, SFTP, classic scp), takes every batch once, and keeps what it
takes in plain folders.
"""

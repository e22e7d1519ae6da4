"""Checks before a run: each reports what it found, and what to do about it.

A check is a function that takes a :class:`Scope` and yields results. It never raises: a failure is a result. The checks
in :mod:`.local` only need this machine and the sources, those in :mod:`.remote` need the controller.
"""

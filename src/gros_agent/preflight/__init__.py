"""Checks before the work: each says what was found, and what to do about it.

A check is a function of a :class:`Scope` that yields results. It never raises: what goes wrong is a result. Those of
:mod:`.local` need nothing but this machine and the sources, those of :mod:`.remote` the controller.
"""

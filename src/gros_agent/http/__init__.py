"""HTTP requests to the systems that are collected from.

- :mod:`.client` asks: time-outs, retries, bounded answers, addresses that are never asked,
- :mod:`.traffic` is what all requests to a host share: how many at once, and how long to wait when the host says so,
- :mod:`.paging` goes through the pages of a list,
- :mod:`.repair` reads JSON of systems that are not exact,
- :mod:`.faults` says in words what can go wrong.
"""

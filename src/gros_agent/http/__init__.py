"""HTTP requests to the systems that are collected from.

- :mod:`.client` sends requests, with time-outs, retries, size limits, and a list of blocked URLs,
- :mod:`.traffic` limits the requests to a host: how many at a time, and how long to wait if the host says so,
- :mod:`.paging` reads the pages of a list,
- :mod:`.repair` reads JSON of systems that produce invalid values,
- :mod:`.faults` turns failures into error messages.
"""

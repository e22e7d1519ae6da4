"""The files of a scrape: tables, trackers, and the batch that publishes them together.

- :mod:`gros_agent.rows` declares the rows, :mod:`.writer` writes them into files,
- :mod:`.trackers` stores the position up to which each source was collected,
- :mod:`.batch` publishes all files of a scrape at once, or none.
"""

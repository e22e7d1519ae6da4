"""The files of a scrape: tables, trackers, and the batch that has all of them or none.

- :mod:`gros_agent.rows` declares their rows, :mod:`.writer` streams them into files,
- :mod:`.trackers` remembers up to where each source was collected,
- :mod:`.batch` publishes all files of a scrape at once, or none.
"""

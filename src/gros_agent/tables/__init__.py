"""The tables that a scrape writes.

- :mod:`.schema` declares their rows, :mod:`.writer` streams them into files,
- :mod:`.trackers` remembers up to where each source was collected,
- :mod:`.batch` publishes all files of a scrape at once, or none.
"""

"""A scrape, and the dry run that shows what a scrape would send."""

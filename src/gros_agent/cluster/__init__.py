"""Parts of a scrape on other machines, by Dask: a coordinator that plans and publishes, and workers that collect."""

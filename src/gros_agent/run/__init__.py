"""The flow of a run, from what waits to the delivery, and the history of runs."""

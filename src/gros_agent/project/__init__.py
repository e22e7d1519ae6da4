"""Which sources a project has, how each is reached, and what became of it."""

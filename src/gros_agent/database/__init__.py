"""Tables with types: a database that batches are loaded into, and files for researchers."""

"""The container image: its user, its shell and its health check."""

"""Types for settings: a value with its origin, the declaration of an option, and a controller's right to set it."""

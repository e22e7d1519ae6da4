"""The GROS agent: collects what software teams leave behind in their tools, pseudonymised on the spot."""

__version__ = "0.1.0"

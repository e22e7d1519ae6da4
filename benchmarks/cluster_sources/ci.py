"""Jenkins as it is, but with one environment for all: a real project has one, whose version is asked for once."""

from gros_agent.sources.base import Context, Environment
from gros_agent.sources.jenkins import JenkinsSource


class SlowSource(JenkinsSource):
    """An instance that takes its time."""

    kind = "ci"
    title = "Slow Jenkins"

    def environment(self, context: Context) -> Environment:
        """That of all instances."""
        del context
        return Environment("jenkins", None, "all")


SOURCE = SlowSource()

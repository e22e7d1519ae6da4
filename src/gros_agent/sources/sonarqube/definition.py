"""Finds the parts of a project in SonarQube: where the code of its projects is, and their links."""

import re
from collections.abc import Sequence

from gros_agent.http.traffic import server_time
from gros_agent.runtime import parallel
from gros_agent.sources.base import Context, Definition, Environment
from gros_agent.sources.common.measuring import iso
from gros_agent.sources.common.named_sources import NamedSources
from gros_agent.sources.sonarqube import access
from gros_agent.sources.sonarqube.access import Reached
from gros_agent.sources.sonarqube.shapes import Component, Link, Links, Navigation

_PLATFORMS = {"azure": "tfs", "github": "github", "gitlab": "gitlab"}
"""Platforms for a project's code: the API's name → type of source."""
_LINKS = {
    "scm": (("git", re.compile(r"(?:scm:git:)?(https?://.+)")),),
    "ci": (("jenkins", re.compile(r"(https?://.+?)/job/.+")),),
    "issue": (("jira", re.compile(r"(https?://.+?)/(?:browse|projects)/.+")),),
}
"""Types of links → type of source, and a pattern for the address of the system."""


def definition(context: Context) -> Definition:
    """The sources that projects name. Raises :class:`SourceError`."""
    server = access.resolve(context)
    pages = [] if server.place.component else list(server.components())
    components = [one for page in pages for one in page.components] or [server.component()]
    named = NamedSources()
    for component, navigation, links in parallel.mapped(lambda one: _asked(server, one), components):
        name = component.name or component.key
        platform = navigation.alm
        if platform is not None and platform.key in _PLATFORMS:
            named.add(_PLATFORMS[platform.key], name, platform.url)
        elif platform is not None:
            named.leave_out(platform.key, platform.url)
        for kind, url in (found for link in links for found in _linked(link)):
            named.add(kind, name, url)
    organizations = [one.name or one.key for page in pages for one in page.organizations]
    return Definition(
        title=next(iter((*organizations, *(one.name for one in components))), ""),
        revision=iso(server_time(server.headers)),
        sources=named.sources(),
        notes=tuple(named.notes()),
    )


def environment(context: Context) -> Environment:
    """The server in the form of existing installations."""
    url = f"{access.place(context).base}/"
    return Environment("sonar", url, url)


def _asked(server: Reached, component: Component) -> tuple[Component, Navigation, Sequence[Link]]:
    """A project with the location of its code, or with its links if the location is not known."""
    found = server.ask("navigation/component", Navigation, {"component": component.key}).value
    if found.alm is not None:
        return component, found, ()
    return component, found, server.ask("project_links/search", Links, {"projectKey": component.key}).value.links


def _linked(link: Link) -> Sequence[tuple[str, str]]:
    """The type and address of the system that a link leads to. Empty if it can't be recognised."""
    matches = ((kind, pattern.fullmatch(link.url.strip())) for kind, pattern in _LINKS.get(link.type, ()))
    return [(kind, match[1]) for kind, match in matches if match]

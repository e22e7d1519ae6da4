"""What SonarQube says that a project consists of: where the code of its projects is, and what they link to."""

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
"""Platforms on which a project's code can be, as the API names them."""
_LINKS = {
    "scm": (("git", re.compile(r"(?:scm:git:)?(https?://.+)")),),
    "ci": (("jenkins", re.compile(r"(https?://.+?)/job/.+")),),
    "issue": (("jira", re.compile(r"(https?://.+?)/(?:browse|projects)/.+")),),
}
"""Types of links → type of source, and what of the address is the system's."""


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
    """The server as installations know it."""
    url = f"{access.place(context).base}/"
    return Environment("sonar", url, url)


def _asked(server: Reached, component: Component) -> tuple[Component, Navigation, Sequence[Link]]:
    """A project with where its code is, and with what it links to where that is not said."""
    found = server.ask("navigation/component", Navigation, {"component": component.key}).value
    if found.alm is not None:
        return component, found, ()
    return component, found, server.ask("project_links/search", Links, {"projectKey": component.key}).value.links


def _linked(link: Link) -> Sequence[tuple[str, str]]:
    """The type and the address of what a link leads to; nothing where that is not known by its address."""
    matches = ((kind, pattern.fullmatch(link.url.strip())) for kind, pattern in _LINKS.get(link.type, ()))
    return [(kind, match[1]) for kind, match in matches if match]

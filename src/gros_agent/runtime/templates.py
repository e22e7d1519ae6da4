"""Templates of HTML pages, in which every text is escaped. Jinja2 is part of the extras that have pages."""

from collections.abc import Callable

from jinja2 import Environment, PackageLoader, StrictUndefined

from gros_agent.runtime import words


def templates(package: str, *filters: Callable[..., object]) -> Environment:
    """The templates in a package's folder ``templates``, with filters that have the names of their functions.

    Secrets in texts are masked, and characters that can't be shown are escaped. A name that is not defined is an error.
    """
    environment = Environment(
        loader=PackageLoader(package),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=words.printable,
    )
    environment.filters |= {one.__name__: one for one in filters}
    return environment

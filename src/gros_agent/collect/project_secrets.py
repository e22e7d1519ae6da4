"""Makes the pseudonymiser of a project: with its secrets, with new ones, or without any if the user asked for that."""

import logging
from pathlib import Path

from gros_agent.errors import ConfigurationError
from gros_agent.privacy import secrets
from gros_agent.privacy.pseudonyms import Pseudonymiser
from gros_agent.project.scrape_options import ScrapeOptions
from gros_agent.settings.environment import PLAIN
from gros_agent.settings.model import ProjectSettings

log = logging.getLogger(__name__)

PLAIN_NOTE = "NAMES AND ADDRESSES ARE WRITTEN AS THEY ARE, since there are no secrets"
"""Shown wherever plain values are written: in the log, the report, the history and its displays."""


def pseudonymiser_of(project: ProjectSettings, options: ScrapeOptions) -> Pseudonymiser:
    """The pseudonymiser with a project's secrets. A project without a controller gets new secrets.

    Raises :class:`ConfigurationError` if there are no secrets, and the user did not allow plain values.
    """
    path = secrets.find(project.home.root, project.key)
    wants_plain = options.no_secrets or project.environment.plain
    if options.make_secrets and wants_plain:
        raise ConfigurationError(
            f"--make-secrets contradicts {'--no-secrets' if options.no_secrets else PLAIN}", "leave one of them out"
        )
    if path is None and (options.make_secrets or (project.controller is None and not wants_plain)):
        path = _make_secrets(project)
    if path is not None:
        if not secrets.is_private(path):
            log.warning("%s can be read by others: chmod 600 %s", path, path)
        return Pseudonymiser(secrets.read(path), redact=options.redact_text)
    if wants_plain:
        log.warning("PROJECT %s HAS NO SECRETS: %s", project.key, PLAIN_NOTE)
        return Pseudonymiser(None, plain=True)
    wanted = secrets.candidates(project.home.root, project.key)[0]
    raise ConfigurationError(
        f"project {project.key} has no secrets, so nothing is written: there is no {wanted}",
        "register the project with its controller: gros-agent register",
    )


def _make_secrets(project: ProjectSettings) -> Path:
    if project.controller:
        raise ConfigurationError(
            f"project {project.key} has a controller, which provides its secrets",
            "register the project instead of creating secrets",
        )
    path = secrets.candidates(project.home.root, project.key)[0]
    secrets.write(path, secrets.make())
    log.info("created secrets for project %s in %s: keep them, or its pseudonyms change", project.key, path)
    return path


def example_of(project: ProjectSettings, options: ScrapeOptions) -> tuple[Pseudonymiser, tuple[str, ...]]:
    """The pseudonymiser for a preview, with temporary secrets if there are none, and a note about that."""
    path = secrets.find(project.home.root, project.key)
    if path is not None:
        return Pseudonymiser(secrets.read(path), redact=options.redact_text), ()
    if options.no_secrets or project.environment.plain:
        return Pseudonymiser(None, plain=True), ("there are no secrets: PERSONAL DATA WOULD LEAVE AS IT IS",)
    then = "a scrape makes its own" if project.controller is None else "a scrape would write nothing"
    note = f"there are no secrets yet: these pseudonyms are examples, and {then}"
    return Pseudonymiser(secrets.make(), redact=options.redact_text), (note,)

"""Loads the settings: environment, environment files, configuration files, and command-line options."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from gros_agent.errors import ConfigurationError, Problems
from gros_agent.options.values import Value
from gros_agent.settings import controller_text, envfile, ini, oddities
from gros_agent.settings.environment import merge
from gros_agent.settings.home import Home
from gros_agent.settings.model import Settings
from gros_agent.settings.template import Sections, fill_credentials, fill_own, fill_settings

PREFLIGHT_DATE = "preflight_date.txt"
"""The file in a project's folder with the time of the last successful preflight, where the schedule starts."""

Overrides = Mapping[tuple[str, str], Value]
"""Maps section and option to a value from the command line."""


def load(
    root: Path, environ: Mapping[str, str], overrides: Overrides | None = None, project: str | None = None
) -> Settings:
    """Read all configuration of the agent whose home is ``root``.

    For a scrape of a ``project``, the environment text of its controller is applied too, with the lowest precedence:
    see :mod:`.controller_text`.

    Raises :class:`ConfigurationError`, or :class:`Problems` with every problem in all files and variables.
    """
    home = Home.of(root, environ)
    environment, problems = merge(environ, home.environment_files)
    if not root.is_dir():
        problems.append(ConfigurationError(f"{root}: the agent's home is not a folder", "make it, or name another"))
    settings_file, credentials_file = _configuration_files(home, environment.values)
    sections = _sections(settings_file, "the settings file", problems)
    hosts = _sections(credentials_file, "the credentials file", problems)
    Problems.raise_if(problems)
    if sections is None:
        sections = fill_settings(environment.values)
    else:
        fill_own(sections, environment.values)
    for (section, option), value in (overrides or {}).items():
        sections.setdefault(section, {})[option] = value
    settings = Settings(
        home=home,
        environment=environment,
        sections=sections,
        hosts=fill_credentials(environment.values) if hosts is None else hosts,
        settings_file=settings_file,
        credentials_file=credentials_file,
        warnings=environment.warnings,
    )
    Problems.raise_if(oddities.wrong_values(settings))
    settings = replace(settings, warnings=(*settings.warnings, *_warnings(settings)))
    return controller_text.kept(settings.project(project)).settings if project else settings


def _warnings(settings: Settings) -> Iterator[str]:
    """Warnings about settings that are used as they are, but are probably mistakes."""
    yield from oddities.misspelt_variables(settings.environment.values, settings.hosts)
    yield from oddities.unknown_options(settings)
    yield from oddities.losing_variables(settings)
    yield from oddities.variables_without_host(settings)
    yield from oddities.quoted_values(settings)
    yield from oddities.missing_files(settings)
    yield from oddities.switched_off_limits(settings)
    yield from oddities.short_hostname(settings)


def files_of(root: Path, environ: Mapping[str, str]) -> tuple[Path, ...]:
    """The environment and configuration files of a home, whether they exist or not."""
    home = Home.of(root, environ)
    variables = envfile.merge(environ, home.environment_files).variables
    inner = (path / "env" if path.is_dir() else path for path in home.environment_files)
    return *inner, *_configuration_files(home, variables)


def _configuration_files(home: Home, variables: Mapping[str, Value]) -> tuple[Path, Path]:
    return (
        _file(home, variables.get("GATHERER_SETTINGS_FILE"), "settings.cfg"),
        _file(home, variables.get("GATHERER_CREDENTIALS_FILE"), "credentials.cfg"),
    )


def _file(home: Home, configured: Value | None, default: str) -> Path:
    path = (configured.effective if configured else None) or default
    return home.resolve(path) if home.frozen is None else home.frozen / Path(path).name


def _sections(path: Path, what: str, problems: list[ConfigurationError]) -> Sections | None:
    try:
        return ini.read(path, what)
    except ConfigurationError as problem:
        problems.append(problem)
        return None

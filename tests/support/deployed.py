"""What deploy/ says about a cluster, as data: manifests of Kubernetes, and units of systemd."""

import re
import shlex
from collections.abc import Iterator
from configparser import RawConfigParser
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from support.agent import ROOT

KUBERNETES = ROOT / "deploy" / "kubernetes"
SYSTEMD = ROOT / "deploy" / "systemd"
CERTIFICATES = "/run/secrets/gros-cluster"
Manifest = dict[str, Any]


def manifests() -> list[Manifest]:
    """The manifests of a cluster, and what they share with an agent without one."""
    files = [KUBERNETES / "configuration.yaml", *sorted((KUBERNETES / "cluster").glob("*.yaml"))]
    return [one for path in files for one in yaml.safe_load_all(path.read_text())]


def of_kind(*kinds: str) -> list[Manifest]:
    return [one for one in manifests() if one["kind"] in kinds]


@dataclass(frozen=True)
class Pod:
    """The template of a pod with one container, and the claims for volumes that each copy of it has."""

    labels: dict[str, str]
    spec: Manifest
    claims: tuple[str, ...]

    @property
    def role(self) -> str:
        return self.labels["app.kubernetes.io/component"]

    @property
    def container(self) -> Manifest:
        (found,) = self.spec["containers"]
        return dict(found)

    @property
    def variables(self) -> dict[str, str]:
        return {one["name"]: one["value"] for one in self.container.get("env", [])}

    def port(self, name: str) -> int:
        (found,) = (one["containerPort"] for one in self.container["ports"] if one["name"] == name)
        return int(found)

    def matches(self, selector: dict[str, str]) -> bool:
        return selector.items() <= self.labels.items()


def pods() -> dict[str, Pod]:
    """The pods of a cluster, by their roles."""
    found = []
    for one in of_kind("Deployment", "StatefulSet", "CronJob"):
        spec = one["spec"]["jobTemplate"]["spec"] if one["kind"] == "CronJob" else one["spec"]
        claims = tuple(claim["metadata"]["name"] for claim in one["spec"].get("volumeClaimTemplates", []))
        found.append(Pod(spec["template"]["metadata"]["labels"], spec["template"]["spec"], claims))
    return {pod.role: pod for pod in found}


def strings(value: object) -> Iterator[str]:
    """All texts within a manifest."""
    if isinstance(value, dict):
        for one in value.values():
            yield from strings(one)
    elif isinstance(value, list):
        for one in value:
            yield from strings(one)
    elif isinstance(value, str):
        yield value


class Unit:
    """A unit of systemd, whose keys may come several times."""

    def __init__(self, path: Path) -> None:
        text = re.sub(r"\\\n\s*", "", path.read_text())
        self.path = path
        self.lines = [line.partition("=")[::2] for line in text.splitlines() if "=" in line and line[0] != "#"]
        RawConfigParser(strict=False).read_string(text)  # it has sections, and no line that is neither key nor comment

    def all(self, key: str) -> list[str]:
        return [value for name, value in self.lines if name == key]

    @property
    def command(self) -> list[str]:
        (found,) = self.all("ExecStart")
        return shlex.split(found)

    @property
    def variables(self) -> dict[str, str]:
        return dict(shlex.split(one)[0].split("=", 1) for one in self.all("Environment"))


def units() -> dict[str, Unit]:
    """The units by their roles."""
    return {"scheduler": Unit(SYSTEMD / "gros-scheduler.service"), "worker": Unit(SYSTEMD / "gros-worker@.service")}

"""What deploy/ has for a cluster: its parts fit together and to the code, and its commands work with each other."""

import os
import re
import shutil
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from importlib import import_module
from pathlib import Path

import dask
import pytest

from cluster.test_cluster import alone, rows
from support.agent import ROOT, Agent
from support.controller import wait_until
from support.dask import sources
from support.deployed import CERTIFICATES, SYSTEMD, manifests, of_kind, pods, strings, units
from support.servers import HttpServer, free_port

ROLES = ("coordinator", "scheduler", "worker")
DOCUMENTED = (ROOT / "docs" / "cluster.md").read_text()


def names(kind: str) -> set[str]:
    return {one["metadata"]["name"] for one in of_kind(kind)}


def made_secrets() -> dict[str, str]:
    """The secrets that the documentation has people make of the folders with certificates, and their roles."""
    command = r"kubectl create secret generic (\S+) --from-file=certificates/(\S+)"
    return dict(re.findall(command, DOCUMENTED))


def test_every_role_is_there() -> None:
    assert set(pods()) == set(ROLES)
    assert made_secrets() == {f"gros-cluster-{role}": role for role in ROLES}


@pytest.mark.parametrize("role", ROLES)
def test_what_a_pod_refers_to_is_there(role: str) -> None:
    pod = pods()[role]
    volumes = {one["name"]: one for one in pod.spec["volumes"]}
    mounts = {one["mountPath"]: one for one in pod.container["volumeMounts"]}
    assert {one["name"] for one in mounts.values()} == {*volumes, *pod.claims}
    for one in volumes.values():
        if "secret" in one:
            assert one["secret"]["secretName"] in names("Secret") | set(made_secrets())
        if "configMap" in one:
            assert one["configMap"]["name"] in names("ConfigMap")
        if "persistentVolumeClaim" in one:
            assert one["persistentVolumeClaim"]["claimName"] in names("PersistentVolumeClaim")
    for one in pod.container.get("envFrom", []):
        assert one["configMapRef"]["name"] in names("ConfigMap")
    assert made_secrets()[volumes[mounts[CERTIFICATES]["name"]]["secret"]["secretName"]] == role
    for path in re.findall(r"(?:^|=)(/\S+)", "\n".join(strings([pod.container.get("args", []), pod.variables]))):
        assert any(path == mount or path.startswith(f"{mount}/") for mount in mounts), path


@pytest.mark.parametrize("role", ROLES)
def test_files_of_certificates(role: str, certificates: Path) -> None:
    """A pod and a unit name the files that the command makes for their role, and no others."""
    made = {path.name for path in (certificates / role).iterdir()}
    said = "\n".join(strings([pods()[role].container]))
    named = set(re.findall(rf"{CERTIFICATES}/(\S+)", said))
    assert named == made or (role == "coordinator" and f"GROS_AGENT_CLUSTER_CERTIFICATES\n{CERTIFICATES}\n" in said)
    if role in units():
        loaded = dict(one.split(":") for one in units()[role].all("LoadCredential"))
        assert set(loaded) == made
        assert loaded == {name: f"/etc/gros-agent/{role}/{name}" for name in made}


@pytest.mark.parametrize("role", ROLES)
def test_a_pod_has_few_rights(role: str) -> None:
    pod = pods()[role]
    assert pod.spec["securityContext"]["runAsNonRoot"]
    assert not pod.spec["automountServiceAccountToken"]
    assert not pod.spec["enableServiceLinks"]
    assert 10 < pod.spec["terminationGracePeriodSeconds"] <= 60
    limits = pod.container["securityContext"]
    assert limits["readOnlyRootFilesystem"]
    assert not limits["allowPrivilegeEscalation"]
    assert limits["capabilities"] == {"drop": ["ALL"]}
    assert pod.container["resources"]["limits"]["memory"]
    assert pod.container["resources"]["requests"].keys() == {"cpu", "memory"}


def test_variables() -> None:
    """Ours are in the code. Those of Dask name a setting, and modules that there are."""
    code = "\n".join(path.read_text() for path in (ROOT / "src").rglob("*.py"))
    given = [pod.variables for pod in pods().values()] + [unit.variables for unit in units().values()]
    for name, value in (pair for one in given for pair in one.items()):
        if name.startswith("DASK_"):
            setting = name.removeprefix("DASK_").lower().replace("__", ".")
            known = dask.config.get(setting)
            chosen = dask.config.interpret_value(value)
            assert set(chosen) <= set(known)
            assert all(import_module(module).routes for module in chosen)
        elif name.startswith("GROS_"):
            assert f'"{name}"' in code


def test_selectors() -> None:
    """Whatever selects pods selects those of one role, and ports have the names that pods give them."""
    roles = pods()
    for one in of_kind("Deployment", "StatefulSet", "Service", "NetworkPolicy"):
        spec = one["spec"]
        key = "podSelector" if one["kind"] == "NetworkPolicy" else "selector"
        labels = spec[key].get("matchLabels", spec[key])
        selected = [pod for pod in roles.values() if pod.matches(labels)]
        assert len(selected) == 1, one["metadata"]
        if one["kind"] == "Service":
            assert [port["port"] for port in spec["ports"]] == [
                selected[0].port(port["targetPort"]) for port in spec["ports"]
            ]
    (scaled,) = of_kind("HorizontalPodAutoscaler")
    assert scaled["spec"]["scaleTargetRef"]["name"] in names("StatefulSet")
    assert all(one["spec"]["serviceName"] in names("Service") for one in of_kind("StatefulSet"))
    (service,) = set(re.findall(r"tls://([^:\s]+):8786", "\n".join(strings(manifests()))))
    assert service in names("Service")


def allowed(direction: str, peers: str) -> set[tuple[str, str, int]]:
    """Who may talk to whom, by what one side's policies say."""
    found = set()
    for one in of_kind("NetworkPolicy"):
        (own,) = (role for role, pod in pods().items() if pod.matches(one["spec"]["podSelector"]["matchLabels"]))
        for rule in one["spec"].get(direction, []):
            selectors = [peer["podSelector"]["matchLabels"] for peer in rule.get(peers, [])]
            others = [role for role, pod in pods().items() for labels in selectors if pod.matches(labels)]
            found |= {
                (other, own, port["port"]) if direction == "ingress" else (own, other, port["port"])
                for other in others
                for port in rule["ports"]
            }
    return found


def test_network() -> None:
    """Both sides allow the same: scheduler and workers each other, and the coordinator talks to the scheduler alone."""
    scheduler, worker = pods()["scheduler"], pods()["worker"]
    ports = {worker.port("tls"), worker.port("nanny")}
    wanted = {(sender, "worker", port) for sender in ("scheduler", "worker") for port in ports}
    wanted |= {(sender, "scheduler", scheduler.port("tls")) for sender in ("coordinator", "worker")}
    assert allowed("ingress", "from") == wanted
    assert allowed("egress", "to") == wanted


@pytest.mark.parametrize("role", ["scheduler", "worker"])
def test_probes(role: str) -> None:
    pod = pods()[role]
    probes = [value for key, value in pod.container.items() if key.endswith("Probe")]
    assert len(probes) >= 2
    for one in probes:
        assert one["httpGet"]["path"] == "/health"
        assert f"--dashboard-address=:{pod.port(one['httpGet']['port'])}" in pod.container["args"]


@pytest.mark.integration
@pytest.mark.parametrize("role", ["scheduler", "worker"])
def test_units_are_valid(role: str, tmp_path: Path) -> None:
    """As systemd reads them, with a program that there is here."""
    program = shutil.which("systemd-analyze")
    if program is None:
        pytest.skip("systemd-analyze is not installed")
    unit = units()[role]
    copy = tmp_path / unit.path.name.replace("@", "@1")
    copy.write_text(unit.path.read_text().replace(unit.command[0], sys.executable))
    done = subprocess.run([program, "verify", "--man=no", str(copy)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done
    assert copy.name not in done.stderr
    assert unit.all("Restart") == ["always"]
    assert unit.path.name in {path.name for path in SYSTEMD.iterdir()}


Way = Callable[[str, Mapping[str, str]], tuple[list[str], dict[str, str]]]


def of_kubernetes(role: str, places: Mapping[str, str]) -> tuple[list[str], dict[str, str]]:
    pod = pods()[role]
    return list(pod.container["args"]), {name: moved(value, places) for name, value in pod.variables.items()}


def of_systemd(role: str, places: Mapping[str, str]) -> tuple[list[str], dict[str, str]]:
    unit = units()[role]
    variables = {name: moved(value, places) for name, value in unit.variables.items()}
    return ["dask", *unit.command[1:]], variables


def moved(text: str, places: Mapping[str, str]) -> str:
    for old, new in places.items():
        text = text.replace(old, new)
    return text


@contextmanager
def started(command: Sequence[str], variables: Mapping[str, str], log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A command of Dask, in a home that can't be written, as in an image that is read-only."""
    environment = {"PATH": os.environ["PATH"], "HOME": "/proc/none", "TMPDIR": str(log.parent), **variables}
    with log.open("wb") as stream:
        arguments = [sys.executable, "-m", *command]
        process = subprocess.Popen(arguments, cwd="/", env=environment, stdout=stream, stderr=stream)
        try:
            yield process
        finally:
            process.terminate()
            try:
                process.wait(timeout=20)  # the grace that they have is 30
            finally:
                process.kill()
                process.wait()


def answers(port: int, path: str = "/health") -> bool:
    with suppress(OSError), urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=5) as answer:
        return bool(answer.status == 200)
    return False


@pytest.mark.slow
@pytest.mark.parametrize("way", [of_kubernetes, of_systemd], ids=["kubernetes", "systemd"])
def test_commands(way: Way, ready: Agent, server: HttpServer, certificates: Path, tmp_path: Path) -> None:
    """The commands that are shipped make a cluster: with other folders and ports, and otherwise as they are."""
    wanted, ports = alone(ready, server), {one: str(free_port()) for one in ("8786", "8787", "8788", "8789", "8790")}
    address, web = f"tls://127.0.0.1:{ports['8786']}", int(ports["8787"])
    running = []
    for role in ("scheduler", "worker"):
        places = {
            **{f"tls://{host}:8786": address for host in ("gros-scheduler", "scheduler.example")},
            CERTIFICATES: str(certificates / role),
            "${CREDENTIALS_DIRECTORY}": str(certificates / role),
            "/var/lib/gros-worker": str(tmp_path / "worker"),
            "%S/gros-worker-%i": str(tmp_path / "worker"),
            "${STATE_DIRECTORY}": str(tmp_path / "worker"),
        }
        command, variables = way(role, places)
        places |= {"${SCHEDULER}": variables.pop("SCHEDULER", ""), **ports}
        running.append(([moved(one, places) for one in command], variables, tmp_path / f"{role}.log"))
    with started(*running[0]) as scheduler, started(*running[1]) as worker:
        wait_until(lambda: answers(web) or scheduler.poll() is not None)
        places = {"tls://gros-scheduler:8786": address, CERTIFICATES: str(certificates / "coordinator")}
        cluster = {name: moved(value, places) for name, value in pods()["coordinator"].variables.items()}
        named = {name: value for name, value in cluster.items() if name.startswith("GROS_AGENT_CLUSTER")}
        done = ready.scrape(*sources(server), variables=named)
        assert done.status == 0, (done, [log.read_text() for _, _, log in running])
        assert rows(ready) == wanted
        assert way is of_systemd or answers(int(ports["8790"]))
        assert not answers(web, "/info/main/workers.html")
        assert (scheduler.poll(), worker.poll()) == (None, None)
    assert list((tmp_path / "worker" / "agent").glob("**/repos"))

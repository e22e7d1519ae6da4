"""The controller's HTTPS API: every call has time-outs, a bounded answer, and an error that names what happened.

The calls are those that existing GROS controllers answer, under ``https://HOST[:port]/auth/``.
"""

import logging
import platform
import random
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

import msgspec
import requests

from gros_agent.controller import ControllerError
from gros_agent.controller.tls import PinningAdapter, read_pinned
from gros_agent.http.faults import innermost
from gros_agent.logs import RETRY
from gros_agent.settings.model import Settings
from gros_agent.settings.secrets import Secrets
from gros_agent.version import version

if TYPE_CHECKING:
    from gros_agent.sources.bigboat import BigBoatStatus

log = logging.getLogger(__name__)

CONNECT_SECONDS = 10.0
READ_SECONDS = 60.0
MAX_ANSWER = 1 << 20
"""Bytes of an answer that are taken; the largest honest one is an environment file of a few kilobytes."""
TRIES = 3
_SHOWN = 200


class Registration(msgspec.Struct, frozen=True):
    """What a controller answers to a registration; only some tell their SSH host keys, and what they can do."""

    secrets: Secrets
    host_keys: tuple[str, ...] = ()
    capabilities: tuple[str, ...] = ()


class Component(msgspec.Struct, frozen=True):
    """The status of a part of the controller."""

    ok: bool
    message: str = ""
    contents: str = ""


@dataclass(frozen=True)
class Status:
    """The controller's components, and how far its clock is from ours, in seconds (None: it did not say)."""

    components: Mapping[str, Component]
    skew: float | None

    @property
    def contents(self) -> str:
        """The environment file for the scrape."""
        configuration = self.components.get("configuration")
        return configuration.contents if configuration else ""

    @property
    def not_due(self) -> bool:
        """Whether nothing is wrong but that the schedule says it is too early."""
        bad = {name for name, component in self.components.items() if not component.ok}
        return "tracker" in bad and bad <= {"tracker", "configuration", "total"}


class VersionAnswer(msgspec.Struct, frozen=True):
    """Whether an agent's version is the newest."""

    up_to_date: bool
    version: str = ""


@dataclass
class ControllerClient:
    """Speaks to one controller for one agent. Raises :class:`ConfigurationError` for a bad certificate file."""

    settings: Settings
    read_seconds: float = READ_SECONDS
    _session: requests.Session = field(default_factory=requests.Session)

    def __post_init__(self) -> None:
        agent = f"gros_agent/{self.agent_version} requests/{requests.__version__}"
        self._session.headers["User-Agent"] = agent
        certificate = self.settings.certificate
        if certificate is not None:
            read_pinned(certificate)  # says what is wrong with the file, which a TLS context does not
        trusted = self.settings.trusted
        self._session.mount("https://", PinningAdapter(trusted))
        self._session.verify = str(trusted) if trusted else True
        self._session.trust_env = certificate is None

    @property
    def agent_version(self) -> str:
        """The agent's version string."""
        return version(self.settings.home)

    @property
    def user_agent(self) -> str:
        """Name and version of the agent and of what it speaks HTTP with."""
        return str(self._session.headers["User-Agent"])

    @property
    def host(self) -> tuple[str, int]:
        """The controller's host and HTTPS port. Raises :class:`ControllerError` where none is configured."""
        address = self.settings.controller_address()
        if address is None:
            raise ControllerError("no controller is configured", "set SSH_HOST, or use --ssh HOST")
        return address

    def register(self, project: str, public_key: str) -> Registration:
        """Send the agent's public key and get a project's secrets."""
        answer = self._call("POST", "agent.py", self._keys(project), {"public_key": public_key})
        try:
            secrets = msgspec.json.decode(answer.content, type=Secrets)
            others = msgspec.json.decode(answer.content, type=_Told)
        except msgspec.MsgspecError as error:
            raise ControllerError(
                f"the controller's answer to the registration of {project} lacks something: {error}",
                "report it to the controller's operator",
            ) from None
        return Registration(secrets, others.host_keys, others.capabilities)

    def status(self, project: str) -> Status:
        """Ask for the status of the controller's components."""
        allowed = (HTTPStatus.OK, HTTPStatus.SERVICE_UNAVAILABLE)
        answer = self._call("GET", "status.py", self._keys(project), allowed=allowed)
        components: dict[str, Component] = self._decode(answer, dict[str, Component])
        return Status(components, _skew(answer.headers.get("Date")))

    def announce(self, project: str, files: Mapping[str, Sequence[str]], user: str, hostname: str, batch: str) -> None:
        """Tell that files were uploaded. Only after this does the controller import them."""
        agent = {"user": user, "key": project, "hostname": hostname, "version": self.user_agent}
        form = {"files": _json(files), "agent": _json(agent), "batch": batch}
        self._call("POST", "export.py", {"project": project}, form, allowed=(HTTPStatus.ACCEPTED,))

    def send_status(self, project: str, statuses: "Sequence[BigBoatStatus]", source: str) -> None:
        """Hand over what a dashboard says; ``source`` is its address."""
        form = {"status": _json(statuses), "source": source}
        self._call("POST", "status.py", {"project": project}, form, allowed=(HTTPStatus.ACCEPTED,))

    def version(self, text: str) -> VersionAnswer | None:
        """Ask whether a version is up to date. None: the controller can't tell."""
        allowed = (HTTPStatus.OK, HTTPStatus.BAD_REQUEST)
        answer = self._call("GET", "version.py", {"version": text}, allowed=allowed)
        if answer.status == HTTPStatus.BAD_REQUEST:
            return None
        decoded: VersionAnswer = self._decode(answer, VersionAnswer)
        return decoded

    def log(self, project: str, record: Mapping[str, str]) -> None:
        """Hand over a log record, by the names of its attributes. Tried once: a log must not hold up the work."""
        answer = self._once("POST", "log.py", {"project": project}, record)
        if answer.status not in {HTTPStatus.ACCEPTED, HTTPStatus.NO_CONTENT}:
            raise self._refused("log.py", answer)

    def _keys(self, project: str) -> dict[str, str]:
        return {"project": project, "agent": agent_key(self.settings, project)}

    def _call(
        self,
        method: str,
        path: str,
        query: Mapping[str, str],
        form: Mapping[str, str] | None = None,
        allowed: Sequence[int] = (HTTPStatus.OK,),
    ) -> "_Answer":
        """Call the controller, again if it is busy or a connection breaks. Raises :class:`ControllerError`."""
        for attempt in range(1, TRIES + 1):
            try:
                answer = self._once(method, path, query, form)
            except (requests.ConnectionError, requests.exceptions.ChunkedEncodingError) as error:
                if attempt == TRIES or _is_distrust(error):  # a connection can also break within TLS or an answer
                    raise self._unreachable(error) from None
                reason = "the connection broke"
            except requests.RequestException as error:
                raise self._unreachable(error) from None
            else:
                busy = answer.status == HTTPStatus.SERVICE_UNAVAILABLE
                if answer.status in allowed:
                    return answer
                if not busy or attempt == TRIES:
                    raise self._refused(path, answer)
                reason = "the controller is busy"
            log.warning("%s: %s; trying again", path, reason, extra=RETRY)
            time.sleep(random.uniform(0.5, 1.5) * attempt)  # noqa: S311 (jitter, no secret)
        raise AssertionError("the last try returns or raises")

    def _once(self, method: str, path: str, query: Mapping[str, str], form: Mapping[str, str] | None) -> "_Answer":
        host, port = self.host
        name = f"[{host}]" if ":" in host else host
        with self._session.request(
            method,
            f"https://{name}:{port}/auth/{path}",
            params=query,
            data=form,
            timeout=(CONNECT_SECONDS, self.read_seconds),
            allow_redirects=False,
            stream=True,
        ) as answer:
            content = b""
            for block in answer.iter_content(1 << 16):
                content += block
                if len(content) > MAX_ANSWER:
                    raise ControllerError(
                        f"the controller's answer to {path} is larger than {MAX_ANSWER} bytes", "is it a controller?"
                    )
            return _Answer(answer.status_code, content, answer.headers, path)

    def _unreachable(self, error: requests.RequestException) -> ControllerError:
        host, port = self.host
        text = str(error)
        if _is_distrust(error):
            reason = text.rpartition("(_ssl")[0].rpartition("] ")[2] or text
            return ControllerError(
                f"the certificate of {host} port {port} is not the pinned one, or not for this host: {reason.strip()}",
                "compare it with the certificate file; ask the controller's operator for the right one",
            )
        if isinstance(error, requests.Timeout):
            return ControllerError(f"{host} port {port} did not answer in time", "try again later")
        return ControllerError(
            f"the controller can't be reached at {host} port {port}: {innermost(error)}",
            "check the host, the port and the network",
        )

    @staticmethod
    def _refused(path: str, answer: "_Answer") -> ControllerError:
        if HTTPStatus.MULTIPLE_CHOICES <= answer.status < HTTPStatus.BAD_REQUEST:
            words = f"sends us elsewhere, to {answer.headers.get('Location', '?')}"
            return ControllerError(
                f"the controller {words} for {path}", "check the host; redirections are not followed"
            )
        text = " ".join(answer.content.decode(errors="replace").split())[:_SHOWN]
        if text.startswith("<"):
            text = "a web page"
        return ControllerError(
            f"the controller refused {path} with status {answer.status}: {text or 'without a reason'}",
            "see the controller's log; a status of 503 says try again later",
            answered=answer.status,
        )

    @staticmethod
    def _decode(answer: "_Answer", kind: Any) -> Any:  # noqa: ANN401 (the type of the answer is the argument)
        try:
            return msgspec.json.decode(answer.content, type=kind)
        except msgspec.MsgspecError as error:
            raise ControllerError(
                f"the controller's answer to {answer.path} makes no sense: {error}", "is it a GROS controller?"
            ) from None


class _Told(msgspec.Struct):
    host_keys: tuple[str, ...] = ()
    capabilities: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Answer:
    status: int
    content: bytes
    headers: Mapping[str, str]
    path: str


def agent_key(settings: Settings, project: str) -> str:
    """The key that names the agent towards the controller: its first project's, or this one's."""
    return settings.projects[0] if settings.projects else project


def agent_user(settings: Settings, project: str) -> str:
    """The agent's SSH account at the controller."""
    return settings.get("ssh", "username") or f"agent-{agent_key(settings, project)}"


def hostname() -> str:
    """Name this machine."""
    return platform.node() or "localhost"


def _json(content: Any) -> str:  # noqa: ANN401 (whatever can be JSON)
    return msgspec.json.encode(content).decode()


def _skew(date: str | None) -> float | None:
    try:
        return (datetime.now(UTC) - parsedate_to_datetime(date or "")).total_seconds()
    except ValueError:
        return None


def _is_distrust(error: requests.RequestException) -> bool:
    """Whether a certificate was refused: a connection that breaks within TLS is an SSL error as well."""
    return isinstance(error, requests.exceptions.SSLError) and "certificate" in str(error).lower()

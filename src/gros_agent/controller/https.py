"""The controller's HTTPS API: every call has time-outs, a bounded answer, and an error that names what happened.

The calls are those that existing GROS controllers answer, under ``https://HOST[:port]/auth/``.
"""

import contextlib
import io
import logging
import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import msgspec
import requests

from gros_agent.controller import ControllerError, capabilities
from gros_agent.controller.answers import MOST, BatchState, Component, Registration, Status, Told, VersionAnswer
from gros_agent.controller.tls import PinningAdapter, read_pinned
from gros_agent.http.faults import innermost, is_transient
from gros_agent.http.timed import TooSlowError, answers_within
from gros_agent.privacy.secrets import Secrets
from gros_agent.runtime.decoding import decoder
from gros_agent.runtime.retry import PassingError, repeat
from gros_agent.settings.environment import HOSTNAME
from gros_agent.settings.model import ProjectSettings, Settings
from gros_agent.settings.version import version

if TYPE_CHECKING:
    from gros_agent.controller.answers import BigBoatStatus

log = logging.getLogger(__name__)

CONNECT_SECONDS = 10.0
READ_SECONDS = 60.0
ANSWER_SECONDS = 300.0
"""Seconds in which an answer has to be whole; one that may come later has as long for its body."""
MAX_ANSWER = 1 << 20
"""Bytes of an answer that are taken; the largest honest one is an environment file of a few kilobytes."""
TRIES = 3
"""Tries of a call: the next run tries again, so that one need not wait for long."""
_SHOWN = 200
_FORM = "application/x-www-form-urlencoded"
_OF_PROXIES = 520
"""From here on statuses are those of proxies, which no standard knows."""
_FROM_BETWEEN = (HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.BAD_GATEWAY, HTTPStatus.GATEWAY_TIMEOUT)
"""What a server in between says where the controller's own answer does not come."""


class _Body(io.BytesIO):
    """The body of a request, which knows whether any of it was sent."""

    sent = False

    def read(self, size: int | None = -1, /) -> bytes:
        self.sent = True
        return super().read(size)

    def __len__(self) -> int:
        return len(self.getbuffer())


class NoAnswerError(ControllerError):
    """A call was sent and no answer came: it may have been carried out."""

    def __init__(self, path: str, reason: str) -> None:
        hint = "whether it was carried out has to be found out"
        super().__init__(f"no answer to {path} came: {reason}", hint, away=True)


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
            others = msgspec.json.decode(answer.content, type=Told)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            raise ControllerError(
                f"the controller's answer to the registration of {project} lacks something: {error}",
                "report it to the controller's operator",
            ) from None
        return Registration(secrets, others.host_keys, others.capabilities)

    def status(self, project: str) -> Status:
        """Ask for the status of the controller's components."""
        allowed = (HTTPStatus.OK, HTTPStatus.SERVICE_UNAVAILABLE)
        answer = self._call("GET", "status.py", self._keys(project), allowed=allowed)
        try:
            components: dict[str, Component] = self._decode(answer, dict[str, Component])
        except ControllerError:
            if answer.status == HTTPStatus.OK:
                raise
            raise self._refused("status.py", answer) from None  # something in between answers for it
        if len(components) > MOST:
            raise ControllerError(
                f"the controller's answer to status.py has {len(components)} components", "is it a GROS controller?"
            )
        last = capabilities.last_registered(self.settings)
        return Status(components, _skew(answer.headers.get("Date")), registered=last in {None, project})

    def announce(
        self,
        project: str,
        files: Mapping[str, Sequence[str]],
        user: str,
        hostname: str | None,
        batch: str,
        *,
        repeatable: bool = False,
    ) -> None:
        """Tell that files were uploaded; only after this does the controller import them.

        The answer may come when the import has ended, so it may take as long as the settings say. Without one the
        announcement may have arrived all the same. It is made again where nothing of it was sent, or where the
        controller knows a batch that it had before: then the announcement is ``repeatable``.
        """
        key = agent_key(self.settings.project(project))
        agent = {
            "user": user,
            "key": key,
            "hostname": announced_name(self.settings, hostname),
            "version": self.user_agent,
        }
        form = {"files": _json(files), "agent": _json(agent), "batch": batch}

        def announce() -> None:
            try:
                self._call("POST", "export.py", {"project": project}, form, allowed=(HTTPStatus.ACCEPTED,), once=True)
            except NoAnswerError as error:
                log.warning("project %s: %s", project, error)
                raise PassingError(error) from None

        with contextlib.suppress(NoAnswerError):  # what became of it shows
            repeat(announce, TRIES if repeatable else 1, lambda _: None)

    def batch(self, project: str, identifier: str) -> BatchState:
        """Ask what became of a batch; only a controller that names the capability ``batch`` can say."""
        query = {**self._keys(project), "batch": identifier}
        decoded: BatchState = self._decode(self._call("GET", "export.py", query), BatchState)
        return decoded

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
        answer = self._once(
            "POST", "log.py", {"project": project}, _Body(urlencode(record).encode()), self.read_seconds
        )
        if answer.status not in {HTTPStatus.ACCEPTED, HTTPStatus.NO_CONTENT}:
            raise self._refused("log.py", answer)

    def _keys(self, project: str) -> dict[str, str]:
        return {"project": project, "agent": agent_key(self.settings.project(project))}

    def _call(
        self,
        method: str,
        path: str,
        query: Mapping[str, str],
        form: Mapping[str, str] | None = None,
        allowed: Sequence[int] = (HTTPStatus.OK,),
        *,
        once: bool = False,
    ) -> "_Answer":
        """Call the controller, again if it is busy or a connection breaks. Raises :class:`ControllerError`.

        What may be done ``once`` only is called again as long as nothing of it was sent. Its answer may take long, and
        :class:`NoAnswerError` says that none came.
        """

        def call() -> "_Answer":
            body = None if form is None else _Body(urlencode(form).encode())
            try:
                answer = self._once(method, path, query, body, self._limit if once else self.read_seconds)
            except (requests.RequestException, TooSlowError) as error:
                if once and body is not None and body.sent:
                    raise NoAnswerError(path, str(innermost(error))) from None
                unreachable = self._unreachable(error)
                if not _is_broken(error):
                    raise unreachable from None
                raise PassingError(unreachable) from None
            if answer.status in allowed:
                return answer
            if once and (answer.status in _FROM_BETWEEN or answer.status >= _OF_PROXIES):
                raise NoAnswerError(path, f"status {answer.status} of a server in between")
            if is_transient(answer.status) and not once:
                busy = f"the controller is busy (status {answer.status})"
                raise PassingError(self._refused(path, answer), reason=busy)
            raise self._refused(path, answer)

        return repeat(call, TRIES, lambda error: log.warning("asking for %s: %s; trying again", path, error))

    @property
    def _limit(self) -> float:
        """Seconds that an answer may take which comes when an import has ended."""
        return self.settings.environment.import_limit

    def _once(
        self, method: str, path: str, query: Mapping[str, str], body: "_Body | None", seconds: float
    ) -> "_Answer":
        host, port = self.host
        name = f"[{host}]" if ":" in host else host
        with (
            answers_within(max(ANSWER_SECONDS, seconds)),
            self._session.request(
                method,
                f"https://{name}:{port}/auth/{path}",
                params=query,
                data=body,
                headers={"Content-Type": _FORM} if body is not None else None,
                timeout=(CONNECT_SECONDS, seconds),
                allow_redirects=False,
                stream=True,
            ) as answer,
        ):
            content = bytearray()
            for block in answer.iter_content(1 << 16):
                content += block
                if len(content) > MAX_ANSWER:
                    raise ControllerError(
                        f"the controller's answer to {path} is larger than {MAX_ANSWER} bytes", "is it a controller?"
                    )
            return _Answer(answer.status_code, bytes(content), answer.headers, path)

    def _unreachable(self, error: requests.RequestException | TooSlowError) -> ControllerError:
        host, port = self.host
        if isinstance(error, TooSlowError):
            words = f"{host} port {port}: {error}, though something kept coming"
            return ControllerError(words, "see what the controller is busy with, and try again later")
        text = str(error)
        if _is_distrust(error):
            reason = text.rpartition("(_ssl")[0].rpartition("] ")[2] or text
            if self.settings.certificate is None:
                return ControllerError(
                    f"the certificate of {host} port {port} is not trusted, and none is pinned: {reason.strip()}",
                    "ask the controller's operator for its certificate, and name the file in SSH_HTTPS_CERT",
                )
            return ControllerError(
                f"the certificate of {host} port {port} is not the pinned one, or not for this host: {reason.strip()}",
                "compare it with the certificate file; ask the controller's operator for the right one",
            )
        if isinstance(error, requests.Timeout):
            return ControllerError(f"{host} port {port} did not answer in time", "try again later", away=True)
        return ControllerError(
            f"the controller can't be reached at {host} port {port}: {innermost(error)}",
            "check the host, the port and the network",
            away=True,
        )

    @staticmethod
    def _refused(path: str, answer: "_Answer") -> ControllerError:
        if HTTPStatus.MULTIPLE_CHOICES <= answer.status < HTTPStatus.BAD_REQUEST:
            words = f"redirects to {answer.headers.get('Location', '?')}"
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
            # while a registration goes on, or a batch is taken, a controller says 503 to another one
            away=answer.status >= HTTPStatus.INTERNAL_SERVER_ERROR
            and (path, answer.status) != ("agent.py", HTTPStatus.SERVICE_UNAVAILABLE),
        )

    @staticmethod
    def _decode(answer: "_Answer", kind: Any) -> Any:  # noqa: ANN401 (the type of the answer is the argument)
        try:
            return decoder(kind).decode(answer.content)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            raise ControllerError(
                f"the controller's answer to {answer.path} could not be parsed: {error}", "is it a GROS controller?"
            ) from None


@dataclass(frozen=True)
class _Answer:
    status: int
    content: bytes
    headers: Mapping[str, str]
    path: str


def agent_key(project: ProjectSettings) -> str:
    """The key that names the agent towards the controller: its first project's, or this one's."""
    return project.settings.projects[0] if project.settings.projects else project.key


def agent_user(project: ProjectSettings) -> str:
    """The agent's SSH account at the controller."""
    return project.settings.get("ssh", "username") or f"agent-{agent_key(project)}"


def hostname() -> str | None:
    """The name of this machine, if it has a dot: existing dashboards fail on one that has none."""
    name = platform.node()
    return name if "." in name else None


def announced_name(settings: Settings, own: str | None) -> str | None:
    """The name that the controller is told for this machine: another one, or none, if the settings say so."""
    told = settings.environment.values.get(HOSTNAME)
    if told is None or not told.text.strip():
        return own
    return told.effective if told.effective and "." in told.effective else None


def _json(content: Any) -> str:  # noqa: ANN401 (whatever can be JSON)
    return msgspec.json.encode(content).decode()


def _skew(date: str | None) -> float | None:
    try:
        return (datetime.now(UTC) - parsedate_to_datetime(date or "")).total_seconds()
    except (ValueError, TypeError, OverflowError):
        return None


def _is_distrust(error: Exception) -> bool:
    """Whether a certificate was refused: a connection that breaks within TLS is an SSL error as well."""
    return isinstance(error, requests.exceptions.SSLError) and "certificate" in str(error).lower()


def _is_broken(error: Exception) -> bool:
    """Whether another try may go better: a connection can also break within TLS or an answer. A time-out is none."""
    broken = isinstance(error, requests.ConnectionError | requests.exceptions.ChunkedEncodingError)
    return broken and not _is_distrust(error)

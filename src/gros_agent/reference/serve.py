"""Runs the controller: HTTPS, SSH and the intake of batches in one event loop, until a signal arrives."""

import asyncio
import contextlib
import json
import logging
import signal
import socket
import sqlite3
from collections.abc import Coroutine
from typing import Any

import uvicorn

from gros_agent.errors import AgentError, ConfigurationError
from gros_agent.reference import certificate, ssh_server
from gros_agent.reference.app import Controller
from gros_agent.reference.certificate import CertificateFiles
from gros_agent.reference.intake import take_all
from gros_agent.reference.loads import Loads
from gros_agent.reference.operator_page import TOKEN, OperatorPages, ensure_token
from gros_agent.reference.reports import Reports
from gros_agent.reference.serve_options import ServeOptions
from gros_agent.reference.store import State
from gros_agent.runtime.patience import PatientProtocol
from gros_agent.runtime.serving import EmbeddedServer, bind
from gros_agent.runtime.storage import replace_file, storage_errors

_RETRY_SECONDS = 5
_log = logging.getLogger(__name__)


def run(options: ServeOptions) -> None:
    """Serve until SIGTERM or SIGINT arrives. Raises :class:`AgentError` if it can't start."""
    state = State(options.folder)
    try:
        asyncio.run(_serve(state, options))
    finally:
        state.close()


async def _serve(state: State, options: ServeOptions) -> None:
    stopped = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    files = certificate.ensure(state.folder, options.listen, options.names)
    if files.missing:
        _log.warning("%s is not valid for %s: remove it and key.pem", files.certificate, ", ".join(files.missing))
    if options.publish:
        with storage_errors(options.publish):
            options.publish.mkdir(parents=True, exist_ok=True)
            replace_file(options.publish / "wwwgros.crt", files.certificate.read_bytes())
    host_key = ssh_server.ensure_host_key(state.folder)
    controller = Controller(state, options, (ssh_server.host_key_line(host_key),))
    # take earlier announcements first, before their files can be overwritten by uploads
    await asyncio.to_thread(take_all, state)
    with _bind(options) as listener:
        loads = Loads(state.folder / "inbox", options.load_to, options.command_options) if options.load_to else None
        origin = options.load_to or str(state.folder / "inbox")
        reports = Reports(state.folder, origin, options.command_options)
        pages = OperatorPages(controller, ensure_token(state.folder), reports, loads)
        https = _server(controller, pages, files)
        web = asyncio.create_task(https.serve([listener]))
        await _first(https.listening.wait(), web)
        if web.done():
            raise ConfigurationError(
                f"{files.certificate} and {files.key} can't be used: {web.exception()}", certificate.AGAIN
            )
        try:
            acceptor = await ssh_server.listen(state, options, host_key)
        except OSError as error:
            https.should_exit = True
            await web
            raise _unavailable(options.listen, options.ssh_port, error) from None
        tasks = [web, asyncio.create_task(_take(controller, loads))]
        tasks += [asyncio.create_task(loads.run())] if loads else []
        ports = {"https": listener.getsockname()[1], "ssh": acceptor.get_port()}
        said = {**ports, "certificate": str(files.certificate), "folder": str(state.folder)}
        said["token"] = str(state.folder / TOKEN)
        print(json.dumps(said), flush=True)  # noqa: T201 (the command's output)
        await _first(stopped.wait(), *tasks)
        _log.info("stopping")
        https.should_exit = True
        acceptor.close()
        for task in tasks[1:]:
            task.cancel()
        await reports.end()
        for ended in await asyncio.gather(*tasks, return_exceptions=True):
            if isinstance(ended, Exception):
                raise ended


async def _first(event: Coroutine[Any, Any, Any], *tasks: asyncio.Task[None]) -> None:
    """Wait until the event happens or one of the tasks ends."""
    waiting = asyncio.create_task(event)
    await asyncio.wait({waiting, *tasks}, return_when=asyncio.FIRST_COMPLETED)
    waiting.cancel()


def _bind(options: ServeOptions) -> socket.socket:
    try:
        return bind(options.listen, options.https_port)
    except OSError as error:
        raise _unavailable(options.listen, options.https_port, error) from None


def _unavailable(address: str, port: int, error: OSError) -> ConfigurationError:
    return ConfigurationError(
        f"can't listen on {address} port {port}: {error.strerror}", "choose another port, or 0 for a free one"
    )


def _server(controller: Controller, pages: OperatorPages, files: CertificateFiles) -> EmbeddedServer:
    return EmbeddedServer(
        uvicorn.Config(
            controller.app(pages.routes()),
            loop="asyncio",
            http=PatientProtocol,
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            proxy_headers=False,  # clients must not set their own address
            server_header=False,
            limit_concurrency=200,
            timeout_graceful_shutdown=1,
            ssl_certfile=files.certificate,
            ssl_keyfile=files.key,
        )
    )


async def _take(controller: Controller, loads: Loads | None) -> None:
    """Take batches when they are announced. After an error of the disk or database, log it and try again."""
    while True:
        timeout = _RETRY_SECONDS if controller.trouble else None
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(controller.announced.wait(), timeout)
        controller.announced.clear()
        try:
            await asyncio.to_thread(take_all, controller.state)
            controller.trouble = ""
            if loads:
                loads.taken.set()
        except AgentError as error:
            controller.trouble = error.message
        except sqlite3.Error as error:
            controller.trouble = f"controller.db: {error}"
        if controller.trouble:
            _log.error("batches can't be taken: %s", controller.trouble)

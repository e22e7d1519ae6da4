"""A server that repeats whatever it was told, and names people: as debugging proxies and careless systems do."""

import base64
import contextlib
import html
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import quote

PERSON = "Canary van Person"
LOGIN = "canary.person"
SECRET = 'canary/s3cret+"tok&n'
USER = "jan.canary"
ESCAPES = "\x1b[31m\x1b]0;title\x07\x9b2J\u202e"


def repeated(texts: list[str]) -> str:
    """Texts in all the forms in which servers write them."""
    return " ".join(
        form for one in texts for form in (one, quote(one), quote(one, safe=""), html.escape(one), json.dumps(one))
    )


@contextlib.contextmanager
def parrot(status: int, form: str) -> Iterator[int]:
    """Its port; each answer has this status, as ``json``, ``text`` or with a ``word`` of the reason and headers."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def parrot(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            told = [value for name, value in self.headers.items() if name.lower() not in {"host", "accept"}]
            for value in list(told):
                with contextlib.suppress(ValueError):
                    told.append(base64.b64decode(value.rpartition(" ")[2], validate=True).decode())
            said = f"{PERSON} ({LOGIN}) may not: {ESCAPES} {repeated(told)}"
            body = json.dumps({"message": said, "login": LOGIN}) if form == "json" else said
            content = body.encode()
            self.send_response(status, "No" if form != "word" else f"{PERSON} may not")
            self.send_header("Content-Type", "application/json" if form == "json" else "text/plain")
            self.send_header("X-Person", PERSON)
            if 300 <= status < 400:
                self.send_header(
                    "Location", f"https://{LOGIN}:{quote(told[0] if told else '', safe='')}@elsewhere.example/"
                )
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            with contextlib.suppress(OSError):
                self.wfile.write(content)

        def __getattr__(self, name: str) -> Any:
            if name.startswith("do_"):
                return self.parrot
            raise AttributeError(name)

        def log_message(self, format: str, *arguments: Any) -> None:  # noqa: A002 (the base class's name)
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield server.server_address[1]
        finally:
            server.shutdown()
            thread.join()

"""What asks the systems that are collected from, against a real server that misbehaves."""

import base64
import threading
import time
import warnings
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gros_agent.errors import SourceError
from gros_agent.http import client as http_client
from gros_agent.http.client import Request, WebClient, is_same_place
from gros_agent.http.paging import smaller_page
from gros_agent.http.traffic import Traffic, asked_wait, exhausted_wait
from gros_agent.options.values import Secret
from gros_agent.runtime import limits
from gros_agent.runtime.urls import blocking_pattern
from support.certificates import certificate
from support.drip import HEADS, dripping
from support.servers import free_port
from support.web import Answer, Web, json_answer, silent, web

KEY = "the-very-secret-key"


@pytest.fixture
def server() -> Iterator[Web]:
    with web(lambda _: json_answer({"a": 1})) as one:
        yield one


def client(**options: Any) -> WebClient:
    return WebClient(headers={"api-key": Secret(KEY)}, silence=1, **options)


def test_an_answer(server: Web) -> None:
    assert client().get(f"{server.url}/x", dict[str, int], {"q": "a b"}) == {"a": 1}
    ((path, headers),) = server.asked
    assert path == "/x?q=a+b"
    assert headers["api-key"] == KEY
    assert headers["User-Agent"].startswith("gros_agent/")


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (json_answer({}, 401), "refuses the credentials with status 401"),
        (json_answer({}, 403), "refuses the credentials with status 403"),
        (json_answer({}, 404), "is not there"),
        ((400, {}, b"no such   parameter"), "status 400: no such parameter"),
        ((500, {}, b"<html>trouble"), "status 500: a web page"),
        ((302, {"Location": "http://u:password@other.example/"}, b""), "redirects to http://"),
        ((200, {"Content-Type": "text/html"}, b" <html>log in"), "answers with a web page"),
        ((200, {}, b'{"a": '), "could not be parsed"),
        (json_answer(["no", "object"]), "could not be parsed"),
        ((200, {}, b""), "could not be parsed"),
        (None, "can't be reached"),
    ],
)
def test_faults(server: Web, answer: Answer | None, words: str) -> None:
    server.answer = lambda _: answer
    with pytest.raises(SourceError) as caught:
        client(tries=2).get(f"{server.url}/x", dict[str, int])
    assert words in caught.value.message
    assert caught.value.hint
    assert KEY not in str(caught.value)
    assert "password" not in caught.value.message


def test_redirections(server: Web) -> None:
    """They are followed where that is wanted, and never to another host or port."""
    server.answer = lambda asked: (
        (301, {"Location": "/new?page=2"}, b"") if asked.path == "/old" else json_answer({"a": 1})
    )
    assert client(follows=True).get(f"{server.url}/old", dict[str, int]) == {"a": 1}
    assert [path for path, _ in server.asked] == ["/old", "/new?page=2"]
    with pytest.raises(SourceError, match="redirects to"):
        client().get(f"{server.url}/old", dict[str, int])
    with web(lambda _: json_answer({"a": 2})) as other:
        server.answer = lambda _: (301, {"Location": f"{other.url}/x"}, b"")
        with pytest.raises(SourceError, match="redirects to"):
            client(follows=True).get(f"{server.url}/old", dict[str, int])
        assert not other.asked
    server.answer = lambda _: (302, {"Location": "/old"}, b"")
    with pytest.raises(SourceError, match="redirects to"):
        client(follows=True).get(f"{server.url}/old", dict[str, int])


def test_a_redirection_to_what_is_blocked(server: Web) -> None:
    server.answer = lambda _: (301, {"Location": "/secret/x"}, b"")
    with pytest.raises(SourceError, match="is blocked by"):
        client(follows=True, blocked=(f"127.0.0.1:{server.port}/secret/*",)).get(f"{server.url}/old", dict[str, int])
    assert [path for path, _ in server.asked] == ["/old"]


@pytest.mark.parametrize(
    ("address", "location", "same"),
    [
        ("http://h.example/x", "https://h.example/x", True),
        ("http://h.example:80/x", "https://h.example:443/y", True),
        ("http://h.example/x", "https://www.h.example/x", False),
        ("http://h.example:8080/x", "https://h.example/x", False),
        ("http://h.example/x", "https://h.example:8443/x", False),
        ("https://h.example/x", "http://h.example/x", False),
        ("https://h.example/x", "https://h.example:port/x", False),
        ("http://h.example/x", "https://user@h.example/x", True),
    ],
)
def test_from_plain_to_tls(address: str, location: str, same: bool) -> None:
    """The same host may want TLS; what was asked with TLS is never asked without."""
    assert is_same_place(address, location) is same


def test_authorities_of_a_host(tmp_path: Path) -> None:
    path = tmp_path / "certificate"
    certificate(path, timedelta(days=-1), timedelta(days=1), ("127.0.0.1",), tmp_path / "key")
    with web(lambda _: json_answer({"a": 1}), (path, tmp_path / "key")) as server:
        assert client(authorities=path).get(server.url, dict[str, int]) == {"a": 1}
        other = certificate(tmp_path / "other", timedelta(days=-1), timedelta(days=1), ("127.0.0.1",))
        with pytest.raises(SourceError, match="is not trusted"):
            client(authorities=other, tries=1).get(server.url, dict[str, int])


def test_a_netrc_of_the_user_is_not_read(server: Web, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What stands there would take the place of a configured token."""
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login somebody password word\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    WebClient(headers={"Authorization": Secret("Bearer token")}).get(server.url, dict[str, int])
    assert server.asked[0][1]["Authorization"] == "Bearer token"


def test_one_host_has_its_limit(server: Web) -> None:
    """However many threads and clients ask it."""
    running, most, lock, full = 0, 0, threading.Lock(), threading.Event()

    def slow(_: BaseHTTPRequestHandler) -> Answer:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
            if most == 3:
                full.set()
        full.wait(60)
        time.sleep(0.01)  # for one that should not be there
        with lock:
            running -= 1
        return json_answer({"a": 1})

    server.answer = slow
    traffic = Traffic(places=threading.Semaphore(3))
    clients = [client(traffic=traffic) for _ in range(2)]
    with ThreadPoolExecutor(20) as pool:
        list(pool.map(lambda number: clients[number % 2].get(f"{server.url}/x", dict[str, int]), range(40)))
    assert most == 3


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"Retry-After": "7"}, 7),
        ({"Retry-After": "Mon, 05 Jan 2026 10:00:30 GMT", "Date": "Mon, 05 Jan 2026 10:00:00 GMT"}, 30),
        ({"Retry-After": "soon"}, None),
        ({}, None),
    ],
)
def test_asked_wait(headers: dict[str, str], seconds: float | None) -> None:
    assert asked_wait(headers) == seconds


def test_exhausted_wait() -> None:
    """It is the server's clock that counts, however wrong ours is."""
    date = {"Date": "Mon, 05 Jan 2026 10:00:00 GMT"}
    reset = str(int(datetime(2026, 1, 5, 10, 0, 20, tzinfo=UTC).timestamp()))
    for prefix in ("X-RateLimit", "RateLimit"):
        assert exhausted_wait({f"{prefix}-Remaining": "0", f"{prefix}-Reset": reset, **date}) == 21
        assert exhausted_wait({f"{prefix}-Remaining": "1", f"{prefix}-Reset": reset, **date}) is None
    assert exhausted_wait({"X-RateLimit-Remaining": "0"}) is None


@pytest.mark.parametrize(
    ("reset", "seconds"),
    [
        ("2026-01-05T10:01Z", 61),
        ("2026-01-05T10:00:20Z", 21),
        ("2026-01-05T11:00:20.500+01:00", 21.5),
        ("2026-01-05T10:00:20", 21),
        ("2026-01-05T09:00Z", 1),
        ("soon", None),
        ("", None),
    ],
)
def test_a_reset_at_a_date(reset: str, seconds: float | None) -> None:
    """Some systems write a date in ISO 8601, to the minute or to the second."""
    date = {"Date": "Mon, 05 Jan 2026 10:00:00 GMT"}
    assert exhausted_wait({"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": reset, **date}) == seconds
    assert exhausted_wait({"X-RateLimit-Remaining": "7", "X-RateLimit-Reset": reset, **date}) is None


def test_proxies(server: Web) -> None:
    """What environment files name counts, but for the hosts that need none."""
    with web(lambda asked: json_answer({"a": len(asked.path)})) as proxy:
        named = {"http_proxy": proxy.url, "no_proxy": "elsewhere.example"}
        client(proxies=named).get(f"{server.url}/x", dict[str, int])
        assert [path for path, _ in proxy.asked] == [f"{server.url}/x"]
        client(proxies={**named, "no_proxy": "127.0.0.1"}).get(f"{server.url}/x", dict[str, int])
        client(proxies={"all_proxy": proxy.url}).get(f"{server.url}/x", dict[str, int])
        assert (len(proxy.asked), len(server.asked)) == (2, 1)


def test_nobody_there() -> None:
    with pytest.raises(SourceError, match="can't be reached: Connection refused"):
        client(tries=1).get(f"http://127.0.0.1:{free_port()}/", dict[str, int])


@pytest.mark.parametrize("key", ["two\nlines", " space", "space ", "tab\t", "euro\u20ac", "nul\0"])
def test_header_that_can_not_be_sent(key: str) -> None:
    """The key itself is not told."""
    with pytest.raises(SourceError, match="has characters that HTTP does not allow") as caught:
        WebClient(headers={"api-key": Secret(key)})
    assert key.strip() not in caught.value.message


def test_credentials_in_the_url(server: Web) -> None:
    """They are used, and shown nowhere."""
    client().get(server.url.replace("//", "//user:pass%40word@"), dict[str, int])
    given = server.asked[0][1]["Authorization"].removeprefix("Basic ")
    assert base64.b64decode(given) == b"user:pass@word"
    server.answer = lambda _: json_answer({}, 403)
    for secret in ("user:the-word", "the-token", "the-%E2%82%AC:x"):
        with pytest.raises(SourceError) as caught:
            client().get(server.url.replace("//", f"//{secret}@"), dict[str, int])
        assert "the-" not in caught.value.message


@pytest.mark.parametrize(
    "url", ["ftp://user:password@127.0.0.1/", "127.0.0.1:1/x", "nothing", "http://u:password@h:x/"]
)
def test_no_address(url: str) -> None:
    with pytest.raises(SourceError) as caught:
        client(tries=1).get(url, dict[str, int])
    assert caught.value.hint
    assert "password" not in caught.value.message


def test_certificate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A certificate that nobody vouches for is refused, unless the host is said to be unsafe."""
    path = tmp_path / "certificate"
    certificate(path, timedelta(days=-1), timedelta(days=1), ("127.0.0.1",), tmp_path / "key")
    with web(lambda _: json_answer({"a": 1}), (path, tmp_path / "key")) as server:
        with pytest.raises(SourceError, match=r"the certificate of .* is not trusted"):
            client(tries=1).get(server.url, dict[str, int])
        assert not server.asked
        other = certificate(tmp_path / "other", timedelta(days=-1), timedelta(days=1))
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(other))
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            assert client(is_safe=False).get(server.url, dict[str, int]) == {"a": 1}


def test_silence() -> None:
    with silent() as server, pytest.raises(SourceError, match=r"did not answer in time|timed out"):
        client(tries=1).get(f"{server.url}/x", dict[str, int])


def test_too_large(server: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_client, "MAX_ANSWER", 1000)
    server.answer = lambda _: json_answer({"a": "x" * 10_000})
    with pytest.raises(SourceError, match="larger than 1000 bytes"):
        client().get(f"{server.url}/x", dict[str, str])
    assert len(server.asked) == 1


def test_too_large_for_one_answer(server: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    """What can be asked for in parts is."""
    monkeypatch.setattr(http_client, "MAX_ANSWER", 1000)
    monkeypatch.setattr(http_client, "BACKOFF", 0.01)
    server.answer = lambda asked: json_answer({"a": "x" * int(asked.path.partition("=")[2])})
    request = Request("GET", f"{server.url}/x", {"size": "3000"}, smaller=smaller_page("size"))
    answer = client().ask(request, dict[str, str])
    assert len(answer.value["a"]) == 750
    assert answer.request.query == {"size": "750"}


@pytest.mark.parametrize("first", [None, json_answer({}, 503), json_answer({}, 429, **{"Retry-After": "1"})])
def test_another_try(server: Web, first: Answer | None) -> None:
    server.answer = lambda _: first if len(server.asked) == 1 else json_answer({"a": 1})
    begun = time.monotonic()
    assert client().get(f"{server.url}/x", dict[str, int]) == {"a": 1}
    assert len(server.asked) == 2
    if first is not None and "Retry-After" in first[1]:
        assert time.monotonic() - begun >= 1


def test_a_wait_that_is_too_long(server: Web) -> None:
    server.answer = lambda _: json_answer({}, 429, **{"Retry-After": "86400"})
    with pytest.raises(SourceError, match=r"asks to wait \d{5} s"):
        client().get(f"{server.url}/x", dict[str, int])


@pytest.mark.parametrize(
    ("pattern", "url", "blocked"),
    [
        ("http://a.example", "http://a.example/x", True),
        ("a.example", "https://a.example/x/y", True),
        ("a.example", "https://b.a.example/", False),
        ("*.example", "https://b.a.example:8443/", False),
        ("*.example:*", "https://b.a.example:8443/", True),
        ("https://*", "http://a.example/", False),
        ("https://*", "https://a.example/", True),
        ("http*://a.example/private/*", "https://a.example/private/x", True),
        ("http*://a.example/private/*", "https://a.example/public/private/x", False),
        ("A.EXAMPLE", "http://a.example", True),
        ("a.example", "http://user:password@a.example/", True),
        ("a+b", "http://aab/", False),
        ("ssh://a.example", "git@a.example:group/code.git", True),
        ("a.example/group/*", "git@a.example:group/code.git", True),
        ("a.example/other/*", "git@a.example:group/code.git", False),
        ("*", "file:///srv/code", True),
    ],
)
def test_block_list(pattern: str, url: str, blocked: bool) -> None:
    assert (blocking_pattern(url, ("none.example", pattern)) == pattern) is blocked


@given(st.text(max_size=30), st.text(max_size=30))
def test_any_pattern_can_be_compared(pattern: str, path: str) -> None:
    blocking_pattern(f"http://a.example/{path!r}", (pattern,))


def test_blocked_is_never_asked(server: Web) -> None:
    with pytest.raises(SourceError, match=r"is blocked by 127\.0\.0\.1:\*"):
        client(blocked=("127.0.0.1:*",)).get(f"{server.url}/x", dict[str, int])
    assert not server.asked


@pytest.mark.parametrize("secure", [False, True])
@pytest.mark.parametrize("head", HEADS)
def test_slow_drip_ends(head: str, secure: bool, tmp_path: Path) -> None:
    """An answer has a time for all of it, however often something of it comes."""
    pem, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    certificate(pem, timedelta(days=-1), timedelta(days=1), ("127.0.0.1",), key)
    pem.write_bytes(pem.read_bytes() + key.read_bytes())
    with dripping(HEADS[head], pem if secure else None) as port:
        begun = time.monotonic()
        asking = WebClient(silence=5, longest_answer=0.5, authorities=pem if secure else None)
        with pytest.raises(SourceError, match=r"not complete after 0\.5 s") as raised:
            asking.get(f"http{'s' if secure else ''}://127.0.0.1:{port}/", dict)
        assert time.monotonic() - begun < 4
        assert "ANSWER_MAX_SECONDS" in raised.value.hint


@pytest.mark.parametrize("head", HEADS)
def test_the_time_of_a_source_ends_a_slow_drip(head: str) -> None:
    with dripping(HEADS[head]) as port, limits.within(0.5, "SOURCE_MAX_SECONDS"):
        begun = time.monotonic()
        with pytest.raises(limits.TimeUpError):
            WebClient(silence=5).get(f"http://127.0.0.1:{port}/", dict)
        assert time.monotonic() - begun < 4


@pytest.mark.parametrize(
    "text", ["9" * 400, "99999999999", "Fri, 31 Dec 9999 23:59:59 -1200", "Mon, 1 Jan 99999 00:00:00 GMT"]
)
def test_a_wait_without_end_is_refused(text: str) -> None:
    answer: Answer = (503, {"Retry-After": text}, b"")
    with web(lambda _: answer) as server:
        begun = time.monotonic()
        with pytest.raises(SourceError):
            WebClient(silence=1, tries=1).get(server.url, dict)
        assert time.monotonic() - begun < 4


def test_waits_count_against_the_time_of_a_source() -> None:
    answer: Answer = (503, {"Retry-After": "30"}, b"")
    with web(lambda _: answer) as server, limits.within(0.5, "SOURCE_MAX_SECONDS"):
        begun = time.monotonic()
        with pytest.raises(limits.TimeUpError):
            WebClient(silence=1).get(server.url, dict)
        assert time.monotonic() - begun < 4

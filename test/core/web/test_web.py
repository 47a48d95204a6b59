"""The web server: what it tells, to whom, and that it begins and ends with its server."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import re
import socket
import threading
import time
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from accounting import OUTCOMES
from web_client import PATIENCE_S, Stream, ask

from inferential_core import ConfigError, Connection, LocalDispatcher, Server
from inferential_core.config import InferentialConfig, command_config
from inferential_core.log.throttled import ThrottledLog
from inferential_core.server.status_report import report_client
from inferential_core.web import service
from inferential_core.web.address import listen, parsed
from inferential_core.web.stream import Hub

pytestmark = pytest.mark.skipif(
    find_spec("uvicorn") is None or find_spec("starlette") is None,
    reason="starlette and uvicorn are not installed",
)


def double(obs: dict) -> dict:
    return {"actions": 2 * obs["state"]}


def make_server(**http: object) -> Server:
    config = InferentialConfig(http={"bind": "127.0.0.1:0", **http})
    return Server("tcp://127.0.0.1:0", config=config, dispatcher=LocalDispatcher({"m": double}))


@pytest.fixture
def server() -> Iterator[Server]:
    with make_server() as server:
        yield server


@pytest.fixture(scope="module")
def standing() -> Iterator[Server]:
    """One for the tests that only ask."""
    with make_server() as server:
        yield server


@contextlib.contextmanager
def robot(server: Server, name: str = "arm-1") -> Iterator[Connection]:
    with Connection(server.address, client_id=name) as connection:
        yield connection


def answered(connection: Connection) -> None:
    model = connection.model("m", latency_budget_ms=10_000)
    model.observe(state=np.zeros(3, np.float32))
    assert model.get_result(timeout_ms=1000 * PATIENCE_S) is not None


# --- what is told ---


def test_the_status_is_that_of_the_server_and_what_recent_requests_add(server: Server) -> None:
    with robot(server) as connection:
        answered(connection)
        told = ask(server.page, "/api/status").json()
    known = server.status()
    for name in (*OUTCOMES, "received", "queued", "in_flight", "malformed", "strategy", "bind"):
        assert told[name] == known[name]
    assert told["received"] == 1 == told["ok"]
    assert abs(told["time"] - time.time()) < PATIENCE_S
    (client,) = told["clients"]
    assert client["id"] == "arm-1"
    assert client["state"] == "active" and client["why"] == ""
    assert 0.0 < client["latency_p50_ms"] <= client["latency_p95_ms"]
    assert client["on_time"] == 1.0
    assert client["rate_hz"] is None  # one observation makes no rate: NaN is no JSON
    (model,) = told["models"]
    assert [size[:2] for size in model["sizes"]] == [[1, 1]]
    assert model["most_together"] >= 1


def test_the_status_of_many_clients_is_whole_or_that_of_the_worst(server: Server) -> None:
    names = [f"arm-{number}" for number in range(30)]
    for name in names:
        with robot(server, name) as connection:
            model = connection.model("none" if name == "arm-17" else "m")
            model.observe(state=np.zeros(3, np.float32))
            assert model.get_reply(timeout_ms=1000 * PATIENCE_S) is not None
    told = ask(server.page, "/api/status").json()
    assert sorted(each["id"] for each in told["clients"]) == sorted(names)
    few = ask(server.page, "/api/status?clients=3").json()
    assert len(few["clients"]) == 3 and few["received"] == told["received"] == 30
    assert ask(server.page, "/api/status?clients=0").json()["clients"] == []
    assert ask(server.page, "/api/status?clients=-1").status == 400


def test_the_server_goes_on_while_its_clients_are_reported(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    def report(client: Any, now: float) -> dict:
        took = threading.Thread(target=server._ran.loop.between_turns, args=(bool,))
        took.start()
        took.join(PATIENCE_S)
        assert not took.is_alive()
        return report_client(client, now)

    monkeypatch.setattr("inferential_core.server.server.report_client", report)
    with robot(server) as connection:
        answered(connection)
        (client,) = server.status()["clients"]
    assert client["ok"] == 1


def test_page_status_and_prometheus_agree_with_the_server_to_the_request(server: Server) -> None:
    pytest.importorskip("prometheus_client")
    for number in range(5):
        with robot(server, f"arm-{number}") as connection:
            for model in ("m", "m", "none"):
                handle = connection.model(model)
                handle.observe(state=np.zeros(3, np.float32))
                assert handle.get_reply(timeout_ms=1000 * PATIENCE_S) is not None
    known = server.status()
    told = ask(server.page, "/api/status").json()
    with Stream(server.page) as stream:
        _, shown = next(stream.events())
    scraped = dict(
        re.findall(
            r'^inferential_(?:requests_total\{outcome="(\w+)"\}) (\S+)$',
            ask(server.page, "/metrics").text,
            re.M,
        )
    )
    assert known["received"] == 15
    for name in OUTCOMES:
        outcome = "error" if name == "errors" else name
        assert known[name] == told[name] == shown[name] == float(scraped[outcome])
    assert (known["ok"], known["rejected"]) == (10, 5)


def test_who_only_asks_what_a_model_takes_is_no_robot(server: Server) -> None:
    with robot(server, "arm-1/check") as connection, Stream(server.page) as stream:
        assert connection.model("m").specification(timeout_ms=1000 * PATIENCE_S) == {}
        events = stream.events()
        frame = next(frame for _, frame in events if frame["received"])
        assert frame["rows"] == [] and frame["states"] == {}
        (client,) = ask(server.page, "/api/status").json()["clients"]
        assert client["state"] == "visitor"
        answered(connection)
        frame = next(frame for _, frame in events if frame["rows"])
        assert frame["states"] == {"active": 1}


def test_the_stream_begins_with_all_there_is_and_goes_on_with_what_changes(
    server: Server,
) -> None:
    with robot(server) as connection, Stream(server.page) as stream:
        assert stream.response.headers["Content-Type"].startswith("text/event-stream")
        events = stream.events()
        name, first = next(events)
        assert name == "begin" and first["rows"] == []
        answered(connection)
        for name, frame in events:
            assert name == "frame"
            if frame["rows"]:
                break
        row = dict(zip(frame["columns"], frame["rows"][0]))
        assert (row["id"], row["state"], row["received"]) == ("arm-1", "active", 1)
        ((model, _, took, size, failed),) = frame["bars"]
        assert (model, size, failed) == (0, 1, 0) and took > 0.0


def test_the_page_shows_the_robots_and_models_of_the_other_servers(tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text(SECRET)
    token.chmod(0o600)
    with (
        make_server(token_file=str(token)) as other,
        make_server(token_file=str(token), fleet=[other.page, "http://127.0.0.1:1"]) as server,
        robot(server, "arm-1") as here,
        robot(other, "arm-2") as there,
    ):
        answered(here)
        answered(there)
        cookie = ask(server.page, f"/?token={SECRET}").headers["Set-Cookie"].partition(";")[0]
        with Stream(server.page, cookie=cookie) as stream:
            shown = (frame for _, frame in stream.events())
            frame = next(each for each in shown if len(each["rows"]) == 2)
            assert {row[0] for row in frame["rows"]} == {"arm-1", "arm-2"}
            assert frame["received"] == frame["ok"] == 2
            assert frame["states"] == {"active": 2} or "overdue" in frame["states"]
            ports = [each.address.rpartition(":")[2] for each in (server, other)]
            assert [each["id"] for each in frame["models"]] == [
                f"m at 127.0.0.1:{port}" for port in ports
            ]
            other.stop()
            frame = next(each for each in shown if len(each["rows"]) == 1)
            assert frame["rows"][0][0] == "arm-1" and frame["received"] == 1
    with pytest.raises(ConfigError, match=r"http\.fleet 'tcp://b:5555'"):
        make_server(fleet=["tcp://b:5555"]).start()


def test_nothing_is_worked_out_while_nobody_watches(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    from inferential_core.web.view import Fleet

    made = threading.Event()
    frame = Fleet.frame

    def counted(fleet: Fleet) -> str:
        made.set()
        return frame(fleet)

    monkeypatch.setattr(Fleet, "frame", counted)
    with Stream(server.page) as stream:
        events = stream.events()
        assert next(events)[0] == "begin"
        assert next(events)[0] == "frame"
    # It is told that the viewer left by the next thing it sends or hears; then it is quiet.
    deadline = time.monotonic() + PATIENCE_S
    while True:
        made.clear()
        if not made.wait(1.5):  # three times as long as frames are apart
            break
        assert time.monotonic() < deadline


def test_a_frame_that_cannot_be_made_ends_the_streams_of_that_moment_only() -> None:
    made = iter([ValueError("a mistake"), "2", "3"])

    def make() -> str:
        frame = next(made)
        if isinstance(frame, Exception):
            raise frame
        return frame

    async def watch() -> list[list[bytes]]:
        hub = Hub(lambda: "1", make)
        seen = [[frame async for frame in hub.frames()]]
        frames = hub.frames()
        seen.append([await frames.__anext__(), await frames.__anext__()])
        await frames.aclose()
        return seen

    first, second = asyncio.run(asyncio.wait_for(watch(), PATIENCE_S))
    assert (len(first), len(second)) == (1, 2)
    assert second[1] == b"event: frame\ndata: 2\n\n"


def test_a_frame_is_made_once_for_all_viewers(server: Server) -> None:
    with Stream(server.page) as one, Stream(server.page) as other:
        seen = [
            {event["now"] for _, event in [next(stream) for _ in range(4)]}
            for stream in (one.events(), other.events())
        ]
    assert len(seen[0] & seen[1]) >= 2


def test_metrics_are_told_or_what_is_missing_is(standing: Server) -> None:
    answer = ask(standing.page, "/metrics")
    if answer.status == 503:
        assert "inferential[server]" in answer.text
    else:
        assert answer.status == 200
        assert "inferential_" in answer.text


@pytest.mark.parametrize("path", ["/", "/page.css", "/page.js", "/icon.svg"])
def test_the_page_and_what_it_needs_are_there(standing: Server, path: str) -> None:
    answer = ask(standing.page, path)
    assert answer.status == 200 and len(answer.body) > 100
    elsewhere = set(re.findall(r"https?://[^\s\"'`)]+", answer.text))
    assert elsewhere <= {"http://www.w3.org/2000/svg"}  # the name of a language, not fetched
    head = ask(standing.page, path, "HEAD")
    assert head.status == 200 and head.body == b""


# --- beginning and end ---


def web_threads() -> set[threading.Thread]:
    return {each for each in threading.enumerate() if each.name == "inferential-web"}


def test_without_a_setting_the_python_api_serves_no_page() -> None:
    config = InferentialConfig()
    dispatcher = LocalDispatcher({"m": double})
    before = web_threads()
    with Server("tcp://127.0.0.1:0", config=config, dispatcher=dispatcher) as server:
        assert server.page == ""
        assert web_threads() == before


@pytest.mark.parametrize(
    ("configured", "explicit", "bind"),
    [
        ("", "", "auto"),
        ("off", "", "off"),
        ("", "off", "off"),
        ("off", "1.2.3.4:5", "1.2.3.4:5"),
    ],
)
def test_commands_and_nodes_serve_it_unless_told_otherwise(
    configured: str, explicit: str, bind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("INFERENTIAL_HTTP__BIND", configured)
    assert command_config(http=explicit).http.bind == bind


def test_stopping_ends_the_streams_and_frees_the_port_and_the_thread() -> None:
    server = make_server()
    before = web_threads()
    server.start()
    page = server.page
    with Stream(page) as stream, deaf(page):
        events = stream.events()
        next(events)
        server.stop()
        assert list(events) is not None  # it ends
    assert web_threads() == before
    assert server.page == ""
    with contextlib.closing(listen(page)):
        pass


@contextlib.contextmanager
def deaf(page: str) -> Iterator[None]:
    """Somebody who watches, but never reads."""
    with socket.create_connection(parsed(page)) as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
        connection.sendall(b"GET /api/stream HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert connection.recv(9) == b"HTTP/1.1 "
        yield


def test_a_server_can_be_started_again() -> None:
    server = make_server()
    for _ in range(2):
        with server:
            assert ask(server.page, "/api/status").status == 200


def test_a_port_that_is_taken_is_an_error_only_where_somebody_chose_it(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(ConfigError, match="Address already in use; take another port, or off"):
            make_server(bind=f"127.0.0.1:{port}").start()
        monkeypatch.setattr(service.address, "DEFAULT_PORT", port)
        with make_server(bind="auto") as server:
            assert server.page != f"http://127.0.0.1:{port}"
            assert ask(server.page, "/").status == 200
    assert f"port {port} is in use" in caplog.text


def test_without_the_web_packages_robots_are_served_all_the_same(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service, "_NEEDS", ("no_such_package",))
    with make_server(bind="auto") as server, robot(server) as connection:
        answered(connection)
    assert "pip install 'inferential[server]'" in caplog.text
    with pytest.raises(ConfigError, match="no_such_package"):
        make_server(bind="127.0.0.1:0").start()


def test_a_robots_port_that_is_taken_leaves_no_page_behind() -> None:
    with make_server() as first:
        config = InferentialConfig(http={"bind": "127.0.0.1:0"})
        second = Server(first.address, config=config, dispatcher=LocalDispatcher({"m": double}))
        with pytest.raises(ConfigError):
            second.start()
        assert second.page == ""


@pytest.mark.parametrize(
    ("bind", "meant"),
    [
        ("127.0.0.1:80", ("127.0.0.1", 80)),
        ("5580", ("127.0.0.1", 5580)),
        ("localhost:0", ("127.0.0.1", 0)),
        ("*:5580", ("0.0.0.0", 5580)),
        ("[::1]:5580", ("::1", 5580)),
        ("http://127.0.0.1:5580/", ("127.0.0.1", 5580)),
    ],
)
def test_an_address_is_read(bind: str, meant: tuple[str, int]) -> None:
    assert parsed(bind) == meant


@pytest.mark.parametrize("bind", ["nonsense", "127.0.0.1:", ":80", "127.0.0.1:99999", "1.2.3.4"])
def test_a_wrong_address_is_told_with_a_right_one(bind: str) -> None:
    with pytest.raises(ConfigError, match=r"write HOST:PORT, such as 127\.0\.0\.1:5580"):
        parsed(bind)


# --- who may ask ---


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1:5580", "[::1]:80", socket.gethostname()])
def test_it_answers_to_its_own_names(standing: Server, host: str) -> None:
    assert ask(standing.page, "/api/status", host=host).status == 200


@pytest.mark.parametrize(
    "host", ["evil.example", "localhost.evil.example", "192.168.0.9", "", "127.0.0.1.nip.io:80"]
)
@pytest.mark.parametrize("path", ["/", "/api/status", "/api/stream", "/metrics", "/page.js"])
def test_a_name_that_is_not_its_own_is_refused(standing: Server, host: str, path: str) -> None:
    answer = ask(standing.page, path, host=host)
    assert answer.status == 403
    assert "http.hosts" in answer.text


def test_further_names_can_be_configured() -> None:
    with make_server(hosts=["gpu-box.lab"]) as server:
        assert ask(server.page, "/", host="GPU-box.lab:5580").status == 200
        assert ask(server.page, "/", host="gpu-box.lab.evil.example").status == 403


@pytest.mark.parametrize("path", ["/", "/api/status", "/api/stream", "/metrics"])
@pytest.mark.parametrize(
    "origin", ["https://evil.example", "null", "http://127.0.0.1:1", "http://["]
)
def test_another_sites_script_is_refused(standing: Server, path: str, origin: str) -> None:
    assert ask(standing.page, path, origin=origin).status == 403
    assert ask(standing.page, path, "HEAD", origin=standing.page).status in (200, 503)


def test_what_another_site_embeds_is_refused_but_its_links_lead_here(standing: Server) -> None:
    assert ask(standing.page, "/api/status", sec_fetch_site="cross-site").status == 403
    assert ask(standing.page, "/", sec_fetch_site="cross-site").status == 200


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "PATCH"])
def test_nothing_can_be_changed(standing: Server, method: str) -> None:
    answer = ask(standing.page, "/api/status", method)
    assert answer.status == 405
    assert answer.headers["Allow"] == "GET, HEAD"


@pytest.mark.parametrize("path", ["/", "/api/status", "/nothing-here", "/api/stream"])
def test_every_answer_says_what_a_browser_may_do_with_it(standing: Server, path: str) -> None:
    headers = ask(standing.page, path, "HEAD").headers
    policy = headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy and "unsafe" not in policy
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert "Access-Control-Allow-Origin" not in headers


SECRET = "a-secret-of-two-dozen-chars"


@pytest.fixture
def token_file(tmp_path: Path) -> Path:
    path = tmp_path / "token"
    path.write_text(SECRET + "\n")
    path.chmod(0o600)
    return path


def test_beyond_loopback_a_token_must_be_set() -> None:
    with pytest.raises(ConfigError, match=r"http\.token_file"):
        make_server(bind="0.0.0.0:0").start()


@pytest.mark.parametrize("bind", ["127.0.0.1:0", "0.0.0.0:0"])
def test_where_a_token_is_set_nothing_is_told_without_it(token_file: Path, bind: str) -> None:
    with make_server(bind=bind, token_file=str(token_file)) as server:
        page = f"http://127.0.0.1:{server.page.rpartition(':')[2]}"
        for path in ("/", "/page.js", "/api/status", "/api/stream", "/metrics"):
            assert ask(page, path).status == 401
            assert ask(page, path, authorization="Bearer wrong").status == 401
        assert ask(page, "/?token=wrong").status == 401
        assert ask(page, f"/api/status?token={SECRET}").status == 401  # only the page's address
        assert ask(page, "/api/status", authorization=f"Bearer {SECRET}").status == 200
        once = ask(page, f"/?token={SECRET}")
        assert once.status == 303 and once.headers["Location"] == "/"
        cookie = once.headers["Set-Cookie"]
        assert "HttpOnly" in cookie and "samesite=strict" in cookie.lower()
        assert SECRET not in cookie
        assert ask(page, "/", cookie=cookie.partition(";")[0]).status == 200
        assert ask(page, "/", cookie=cookie.partition(";")[0] + "x").status == 401


def test_a_token_that_others_can_read_or_guess_is_refused(token_file: Path) -> None:
    token_file.chmod(0o644)
    with pytest.raises(ConfigError, match="chmod 600"):
        make_server(token_file=str(token_file)).start()
    token_file.chmod(0o600)
    token_file.write_text("short")
    with pytest.raises(ConfigError, match="too few"):
        make_server(token_file=str(token_file)).start()
    with pytest.raises(ConfigError, match="No such file"):
        make_server(token_file=str(token_file) + "x").start()


def test_silent_connections_beyond_the_bound_lock_nobody_out(
    server: Server, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    from inferential_core.web import connections

    monkeypatch.setattr(connections, "MOST_CONNECTIONS", 5)
    monkeypatch.setattr(connections, "_throttled", ThrottledLog(logging.getLogger("web")))
    where = parsed(server.page)
    with contextlib.ExitStack() as stack:
        watching = stack.enter_context(Stream(server.page)).events()
        next(watching)
        idle = [stack.enter_context(socket.create_connection(where)) for _ in range(7)]
        for each in idle[:3]:  # the oldest ones, which have asked nothing
            each.settimeout(PATIENCE_S)
            with contextlib.suppress(ConnectionResetError):
                assert each.recv(1) == b""
        assert ask(server.page, "/api/status").status == 200
        next(watching)  # it goes on
        with robot(server) as connection:
            answered(connection)
    assert caplog.text.count("the page has 5 connections") == 1


def test_a_connection_beyond_the_bound_is_closed_where_all_others_are_in_use(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    from inferential_core.web import connections

    monkeypatch.setattr(connections, "MOST_CONNECTIONS", 2)
    with Stream(server.page) as one, Stream(server.page) as other:
        watching = one.events()
        assert next(watching) and next(other.events())
        with socket.create_connection(parsed(server.page)) as late:
            late.settimeout(PATIENCE_S)
            with contextlib.suppress(ConnectionResetError):
                assert late.recv(1) == b""
        assert next(watching)


def test_what_asyncio_complains_of_hundreds_of_times_is_logged_once(
    server: Server, caplog: pytest.LogCaptureFixture
) -> None:
    assert ask(server.page, "/").status == 200  # so it runs
    web = server._web
    assert web is not None and web._loop is not None
    handler = web._loop.get_exception_handler()
    assert handler is not None
    error = OSError(24, "Too many open files")
    for _ in range(100):
        handler(
            web._loop, {"message": "socket.accept() out of system resource\n", "exception": error}
        )
    assert caplog.text.count("out of system resource") == 1


def test_a_connection_that_asks_nothing_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    from inferential_core.web import connections

    monkeypatch.setattr(connections, "REQUEST_S", 0.05)
    with make_server() as server, socket.create_connection(parsed(server.page)) as idle:
        idle.sendall(b"GET / HT")
        idle.settimeout(PATIENCE_S)
        with contextlib.suppress(ConnectionResetError):
            assert idle.recv(1) == b""


def test_a_connection_that_begins_its_next_request_and_never_ends_it_is_closed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from inferential_core.web import connections

    monkeypatch.setattr(connections, "REQUEST_S", 0.2)
    with make_server() as server, socket.create_connection(parsed(server.page)) as idle:
        idle.settimeout(PATIENCE_S)
        idle.sendall(b"HEAD / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert idle.recv(10_000).startswith(b"HTTP/1.1 200")
        idle.sendall(b"HEAD / HT")
        with contextlib.suppress(ConnectionResetError):
            assert idle.recv(1) == b""

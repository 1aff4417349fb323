"""The examples of docs/proxies.md, run: real proxies take them, pass a send and a phone's events through, and keep keys out of their logs."""

from __future__ import annotations

import http.client
import json
import os
import ssl
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from running_server import KEY, RunningServer, free_port, running, wait_until

from adapters import authority
from tests.test_docs_proxies import example

CALLER = "127.0.0.9"
"""an address that is not the proxy's"""
MAIN = """
daemon off;
pid {folder}/nginx.pid;
error_log {folder}/main-error.log;
{user}
events {{}}
http {{
    client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi; uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
    include {folder}/dragoman.conf;
}}
"""


class Front:
    """A proxy that listens on a port of its own, by HTTPS, with a certificate of our CA."""

    def __init__(self, folder: Path, port: int) -> None:
        self.folder, self.port = folder, port

    def connection(self) -> http.client.HTTPSConnection:
        context = ssl.create_default_context(cafile=str(self.folder / "tls" / "ca.pem"))
        return http.client.HTTPSConnection("localhost", self.port, timeout=20, context=context, source_address=(CALLER, 0))

    def get(self, path: str, **headers: str) -> tuple[int, bytes]:
        connection = self.connection()
        connection.request("GET", path, headers=headers)
        answer = connection.getresponse()
        found = answer.status, answer.read()
        connection.close()
        return found

    def is_up(self) -> bool:
        try:
            self.get("/health")
        except OSError:
            return False
        return True

    def logs(self) -> str:
        return "\n".join(file.read_text() for file in self.folder.glob("*.log"))


def nginx_example(folder: Path, port: int, upstream: str) -> list[str]:
    """The command that runs it, with this folder's files and ports."""
    text = example("nginx").replace("127.0.0.1:8080", upstream).replace("listen 443 ssl", f"listen 127.0.0.1:{port} ssl")
    text = text.replace("sms.example.org;", "localhost;").replace("/var/log/nginx", str(folder))
    text = text.replace("/etc/ssl/private/sms.example.org.key", f"{folder}/tls/server.key")
    (folder / "dragoman.conf").write_text(text.replace("/etc/ssl/sms.example.org.pem", f"{folder}/tls/server.pem"))
    (folder / "nginx.conf").write_text(MAIN.format(folder=folder, user="user root;" if os.geteuid() == 0 else ""))
    return ["nginx", "-c", str(folder / "nginx.conf")]


def caddy_example(folder: Path, port: int, upstream: str) -> list[str]:
    text = example("caddy").replace("127.0.0.1:8080", upstream)
    text = text.replace("{\n\tlog {", "{\n\tadmin off\n\tauto_https off\n\tlog {", 1)
    pair = f"{folder}/tls/server.pem {folder}/tls/server.key"
    (folder / "Caddyfile").write_text(text.replace("sms.example.org {", f"https://localhost:{port} {{\n\ttls {pair}", 1))
    return ["caddy", "run", "--adapter", "caddyfile", "--config", str(folder / "Caddyfile")]


EXAMPLES = {"nginx": nginx_example, "caddy": caddy_example}


@contextmanager
def proxy(kind: str, folder: Path, upstream: str) -> Iterator[Front]:
    folder.mkdir()
    authority.make(folder / "tls", [], now=datetime.now(UTC))
    front = Front(folder, free_port())
    command = EXAMPLES[kind](folder, front.port, upstream)
    home = {"HOME": str(folder), "XDG_DATA_HOME": str(folder), "XDG_CONFIG_HOME": str(folder)}
    with open(folder / "output.log", "wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=output, env=os.environ | home)
    try:
        wait_until(front.is_up)
        yield front
    except Exception as error:
        error.add_note(front.logs())
        raise
    finally:
        process.terminate()
        process.wait(timeout=20)


@pytest.fixture
def trusting(tmp_path: Path) -> Iterator[RunningServer]:
    data = tmp_path / "data"
    data.mkdir()
    with running(data, DRAGOMAN_TRUSTED_PROXIES="127.0.0.1/32") as server:
        yield server


def host_of(url: str) -> str:
    return url.removeprefix("http://")


def test_the_programs_accept_the_examples(tmp_path: Path) -> None:
    authority.make(tmp_path / "tls", [], now=datetime.now(UTC))
    checked = subprocess.run([*nginx_example(tmp_path, 8443, "127.0.0.1:8080"), "-t"], check=False, capture_output=True, text=True)
    assert checked.returncode == 0, checked.stderr
    (tmp_path / "Caddyfile").write_text(example("caddy"))
    command = ["caddy", "validate", "--adapter", "caddyfile", "--config", str(tmp_path / "Caddyfile")]
    checked = subprocess.run(command, check=False, capture_output=True, text=True, env=os.environ | {"HOME": str(tmp_path)})
    assert checked.returncode == 0, checked.stderr


@pytest.mark.parametrize("kind", EXAMPLES)
def test_a_send_comes_through_and_its_key_is_in_no_log(kind: str, trusting: RunningServer, tmp_path: Path) -> None:
    with proxy(kind, tmp_path / "proxy", host_of(trusting.base)) as front:
        path = f"/sendsms/?apikey={KEY}&recipients=%2B32470000001&message=a+text+for+no+log"
        status, body = front.get(path, Referer=f"https://localhost{path}", **{"X-Forwarded-For": "203.0.113.9"})
        assert status == 200
        assert trusting.sent(json.loads(body)["result"]["id"])["sms"] == "a text for no log"
        assert b"https://localhost:%d/sendsms/soap" % front.port in front.get("/sendsms/wsdl/sendsms.wsdl")[1]
        assert front.get("/mobile/v1/hooks/a-phones-secret?x=y")[0] == 405
        assert front.get("/sendsms/?apikey=wrong-one&recipients=1&message=x", **{"X-Forwarded-For": "203.0.113.9"})[0] == 403
    told = (tmp_path / "data" / "server.log").read_text()
    assert f"peer={CALLER}" in told and "203.0.113.9" not in told, "that header was made up by the caller"
    logs = front.logs()
    assert "/sendsms/" in logs and KEY not in logs and "for+no+log" not in logs and "wrong-one" not in logs
    assert "/mobile/v1/hooks/" in logs and "a-phones-secret" not in logs


@pytest.mark.parametrize("kind", EXAMPLES)
def test_a_gateway_that_is_away_leaves_no_key_in_a_log_either(kind: str, trusting: RunningServer, tmp_path: Path) -> None:
    with proxy(kind, tmp_path / "proxy", host_of(trusting.base)) as front:
        trusting.process.terminate()
        trusting.process.wait(timeout=20)
        status, _ = front.get(f"/sendsms/?apikey={KEY}&recipients=%2B32470000001&message=x")
        assert status == 502
    assert KEY not in front.logs()


class Events(BaseHTTPRequestHandler):
    """Sends an event, and another when the first has arrived."""

    protocol_version = "HTTP/1.1"
    arrived: threading.Event

    def do_GET(self) -> None:
        self.send_response(200)
        if self.path != "/mobile/v1/events":
            self.send_header("Content-Length", "0")
            return self.end_headers()
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(b"event: first\ndata: {}\n\n")
        if self.arrived.wait(15):
            self.wfile.write(b"event: second\ndata: {}\n\n")

    def log_message(self, format: str, *arguments: Any) -> None:
        pass


@pytest.mark.parametrize("kind", EXAMPLES)
def test_each_event_comes_through_at_once(kind: str, tmp_path: Path) -> None:
    handler = type("Handler", (Events,), {"arrived": threading.Event()})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as upstream:
        threading.Thread(target=upstream.serve_forever).start()
        try:
            with proxy(kind, tmp_path / "proxy", f"127.0.0.1:{upstream.server_port}") as front:
                connection = front.connection()
                connection.request("GET", "/mobile/v1/events")
                answer = connection.getresponse()
                assert [answer.readline() for _ in range(3)] == [b"event: first\n", b"data: {}\n", b"\n"]
                handler.arrived.set()
                assert answer.readline() == b"event: second\n"
                connection.close()
        finally:
            upstream.shutdown()

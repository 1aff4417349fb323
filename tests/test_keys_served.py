"""Keys as an operator and a foreign OAuth2 client meet them: a server as a process, the command line beside it, requests-oauthlib."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from oauthlib.oauth2 import BackendApplicationClient, InvalidClientError, TokenExpiredError
from requests.auth import HTTPBasicAuth
from requests_oauthlib import OAuth2Session

from tests.test_server import KEY, ROOT, Server

pytestmark = pytest.mark.slow


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return tmp_path / "data"


@pytest.fixture
def server(data: Path) -> Iterator[Server]:
    started = Server(data, DRAGOMAN_SIMULATOR="1", DRAGOMAN_BOOTSTRAP_API_KEY=KEY)
    try:
        yield started.wait_ready()
    finally:
        if started.process.poll() is None:
            started.process.kill()
            started.process.wait(10)


def dragoman(data: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("DRAGOMAN_")}
    command = [sys.executable, str(ROOT / "run_server.py"), *arguments]
    return subprocess.run(command, env={**clean, "DRAGOMAN_DATA": str(data)}, capture_output=True, text=True, check=False, timeout=60)


def asked(data: Path, *arguments: str) -> Any:
    done = dragoman(data, *arguments, "--json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_the_command_line_beside_a_running_server_and_without_one(data: Path, server: Server) -> None:
    assert stat.S_IMODE((data / "control.sock").stat().st_mode) == 0o600
    made = asked(data, "keys", "create", "--label", "till", "--scopes", "send,read", "--networks", "127.0.0.0/8")
    form = {"recipients": "+32470000001", "message": "hi", "apikey": made["secret"]}
    assert server.get("/sendsms/", form)["result"]["error"] == 0
    rotated = asked(data, "keys", "rotate", str(made["id"]))
    for secret in (made["secret"], rotated["secret"]):
        assert server.get("/sendsms/", {**form, "apikey": secret})["result"]["error"] == 0
    shown = dragoman(data, "keys", "list")
    assert shown.returncode == 0 and "till" in shown.stdout and "127.0.0.0/8" in shown.stdout
    assert asked(data, "devices", "list")[0]["online"] is True
    assert asked(data, "send", "+32470000002", "from the command line")["device_online"] is True
    assert {row["recipient"] for row in asked(data, "log")} == {"+32470000001", "+32470000002"}
    assert server.stop() == 0
    assert not (data / "control.sock").exists()
    assert [row["label"] for row in asked(data, "keys", "list")] == ["first", "till"]
    assert asked(data, "accounts", "set", "default", "--country", "be")["country"] == "BE"
    assert asked(data, "keys", "revoke", str(made["id"]))["state"] == "revoked"
    refused = dragoman(data, "keys", "revoke", "99")
    assert (refused.returncode, refused.stdout, refused.stderr) == (1, "", "error: there is no API key 99\n")
    log = server.log.read_text()
    assert made["secret"] not in log and rotated["secret"] not in log and KEY not in log
    kept = b"".join(file.read_bytes() for file in data.iterdir())
    assert made["secret"].encode() not in kept and rotated["secret"].encode() not in kept


@pytest.mark.parametrize("arguments", [["keys"], ["keys", "rotate", "one"], ["keys", "create", "--secret", "x"], ["oauth", "nothing"]])
def test_what_is_no_command_is_a_usage_error(data: Path, arguments: list[str]) -> None:
    assert dragoman(data, *arguments).returncode == 2
    assert not data.exists()


def test_a_folder_that_is_not_there_is_said_and_not_made(data: Path) -> None:
    ended = dragoman(data, "keys", "list")
    assert ended.returncode == 1 and "there is no data folder" in ended.stderr
    assert not data.exists()


@pytest.mark.parametrize("is_basic", [True, False])
def test_requests_oauthlib_gets_a_token_and_uses_it(data: Path, server: Server, is_basic: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OAUTHLIB_INSECURE_TRANSPORT", "1")
    monkeypatch.setenv("NO_PROXY", "*")
    made = asked(data, "oauth", "create", "--scopes", "send,read")
    base = f"http://127.0.0.1:{server.port}"
    how: dict[str, Any] = {"client_secret": made["secret"], "include_client_id": True}
    if is_basic:
        how = {"auth": HTTPBasicAuth(made["client_id"], made["secret"])}
    with OAuth2Session(client=BackendApplicationClient(client_id=made["client_id"])) as session:
        token = session.fetch_token(f"{base}/oauth2/token", **how)
        assert (token["token_type"], token["expires_in"], token["scope"]) == ("Bearer", 3600, ["send", "read"])
        sent = session.post(f"{base}/sendsms", data={"recipients": "+32470000001", "message": "by token"}).json()
        assert sent["result"]["error"] == 0
        assert (
            session.get(f"{base}/log/sent/sms", params={"guid_message": sent["result"]["id"]}).json()["result"]["sms"][0]["sms"]
            == "by token"
        )
        asked(data, "oauth", "revoke", str(made["id"]))
        assert session.post(f"{base}/sendsms", data={"recipients": "+32470000001", "message": "x"}).status_code == 401
        with pytest.raises((InvalidClientError, TokenExpiredError)):
            session.fetch_token(f"{base}/oauth2/token", **how)
    assert server.stop() == 0
    log = server.log.read_text()
    assert token["access_token"] not in log and made["secret"] not in log

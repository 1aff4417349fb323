"""One call by SMS and by WhatsApp, through a real server, its command line, a simulated phone and a WAHA or Meta that is none."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import pytest

from tests.peers.whatsapp_upstreams import CloudApi, Hook, Waha, serve
from tests.test_links_served import server
from tests.test_server import KEY, Server

TO = "+32470000001"


def command(data: Path, *arguments: str) -> Any:
    line = [sys.executable, "-m", "run_server", *arguments, "--data", str(data), "--json"]
    return json.loads(subprocess.run(line, check=True, capture_output=True, timeout=60).stdout)


def call(running: Server, device: str, hook: Hook) -> int:
    headers, body = hook
    with urlopen(Request(f"http://127.0.0.1:{running.port}/whatsapp/hooks/{device}", body, headers), timeout=10) as answer:
        return int(answer.status)


def both_rows(running: Server, ids: list[str]) -> list[dict[str, Any]]:
    return [running.wait_row(id, KEY, "send_from_mobile") for id in ids]


@pytest.mark.slow
@pytest.mark.parametrize("upstream", [CloudApi(), Waha(id_is_object=True)], ids=["cloud", "waha"])
def test_sms_and_whatsapp_give_two_rows_and_both_reports(tmp_path: Path, upstream: CloudApi | Waha) -> None:
    data = tmp_path / "data"
    with serve(upstream) as url, server(data, DRAGOMAN_SIMULATOR="1") as running:
        for name in ("key", "secret"):
            (tmp_path / name).write_text(
                getattr(upstream, {"key": "token"}.get(name, "app_secret") if isinstance(upstream, CloudApi) else name)
            )
        if isinstance(upstream, CloudApi):
            given = ("add-cloud", upstream.number_id, "--token-file", str(tmp_path / "key"), "--app-secret-file", str(tmp_path / "secret"))
            made = command(data, "whatsapp", *given, "--url", url)
        else:
            made = command(data, "whatsapp", "add-waha", url, "--key-file", str(tmp_path / "key"))
            upstream.secret = made["secret"]
        sent = running.get("/sendsms/", {"recipients": TO, "message": "Hi é", "sendwa": "1", "sendsms": "1", "apikey": KEY})["result"]
        rows = both_rows(running, sent["ids"])
        assert (len(rows), sent["send_with_whatsapp"]) == (2, "1")
        [(id, to, text)] = upstream.sent
        assert (to.partition("@")[0], text) == (TO.lstrip("+"), "Hi é")
        assert (data / "radio.log").read_text() == f"{sent['id']} {TO}\n"
        reported = upstream.status(id, "delivered") if isinstance(upstream, CloudApi) else upstream.ack(id, 2)
        assert call(running, made["id"], reported) == 200
        written = upstream.message(TO.lstrip("+") + ("" if isinstance(upstream, CloudApi) else "@c.us"), "an answer")
        assert call(running, made["id"], written) == 200
        (incoming,) = running.get("/getsms/", {"apikey": KEY})["result"]["sms"]
        assert (incoming["number"], incoming["message"]) == (TO, "an answer")
        listed = {row["id"]: row for row in command(data, "devices", "list")}
        assert listed[made["id"]]["online"]
        states = {row["id"]: row["status"] for row in command(data, "log")}
        assert states == dict.fromkeys(sent["ids"], "delivered")
        secrets = [secret.encode() for secret in (made["secret"], KEY, (tmp_path / "key").read_text())]
    kept = b"".join(path.read_bytes() for path in data.rglob("*") if path.is_file())
    assert not [secret for secret in secrets if secret in kept]

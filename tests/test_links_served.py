"""Links and WhatsApp as an operator meets them: settings, a process, a stop, what is in its files then."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import timedelta
from pathlib import Path

import pytest

from adapters.bundle import gateway_over
from adapters.data_folder import open_folder
from adapters.settings import read
from adapters.storage.memory import MemoryStore
from service.fleet import Fleet
from service.guesses import Guesses
from tests.test_server import KEY, Server


@contextmanager
def server(data: Path, **settings: str) -> Iterator[Server]:
    """Ready; stopped at the end, cleanly."""
    made = Server(data, DRAGOMAN_BOOTSTRAP_API_KEY=KEY, **settings)
    try:
        yield made.wait_ready()
        assert made.stop() == 0
    finally:
        made.process.kill()
        made.process.wait(10)


@pytest.mark.slow
def test_a_click_is_on_disk_when_the_server_has_stopped(tmp_path: Path) -> None:
    with server(tmp_path / "data", DRAGOMAN_PUBLIC_URL="http://localhost:1") as running:
        here = f"http://127.0.0.1:{running.port}/health"
        running.get("/sendsms/", {"recipients": "+32470000001", "message": here, "shorturl": "1", "apikey": KEY})
        row = running.get(f"/log/sent/sms?apikey={KEY}")["result"]["sms"][0]
        path = row["sms"].removeprefix("http://localhost:1")
        assert running.get(path)["ready"]  # the redirect is followed
        running.get(path)
    with closing(sqlite3.connect(tmp_path / "data" / "dragoman.db")) as kept:
        assert kept.execute("SELECT url, clicks FROM links").fetchall() == [(here, 2)]


@pytest.mark.slow
def test_as_many_simulated_phones_as_the_setting_says_have_whatsapp(tmp_path: Path) -> None:
    data = tmp_path / "data"
    by_whatsapp = {"recipients": "+32470000001", "message": "x", "waonly": "yes", "apikey": KEY}
    with server(data, DRAGOMAN_SIMULATOR="3", DRAGOMAN_SIMULATOR_WHATSAPP="2") as running:
        sent = running.get("/sendsms/", by_whatsapp)["result"]
        assert sent["send_with_whatsapp"] == "1"
        running.wait_row(sent["id"], KEY, "send_from_mobile")
        assert (data / "radio.log").read_text() == f"{sent['id']} +32470000001 whatsapp\n"
    assert _able(data) == 2
    with server(data, DRAGOMAN_SIMULATOR="3", DRAGOMAN_SIMULATOR_WHATSAPP="1"):
        pass
    assert _able(data) == 1


def _able(data: Path) -> int:
    with closing(sqlite3.connect(data / "dragoman.db")) as kept:
        [(count,)] = kept.execute("SELECT count(*) FROM devices WHERE whatsapp").fetchall()
        return int(count)


def test_the_settings_reach_the_links(tmp_path: Path) -> None:
    folder = open_folder(tmp_path)
    store = MemoryStore()
    environment = {
        "DRAGOMAN_PUBLIC_URL": "https://sms.test/",
        "DRAGOMAN_SHORT_LINK_DAYS": "7",
        "DRAGOMAN_SEALED_MESSAGE_DAYS": "2",
    }
    links = gateway_over(store, Fleet(store=store), read(environment=environment), folder, Guesses()).links
    assert (links.public_url, links.short_lifetime, links.sealed_lifetime) == ("https://sms.test", timedelta(days=7), timedelta(days=2))
    default = gateway_over(store, Fleet(store=store), read(environment={}), folder, Guesses()).links
    assert (default.public_url, default.short_lifetime, default.sealed_lifetime) == (None, timedelta(days=365), timedelta(days=30))
    folder.close()

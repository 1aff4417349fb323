"""Two hundred phones on one server, and phones that come by HTTPS with a CA of the house: processes, sockets, the event stream between them."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest

from tests.test_keys_served import dragoman
from tests.test_links_served import server
from tests.test_phones_served import NUMBER, listed, phone, status, wait_until
from tests.test_server import KEY, Server, free_port

pytestmark = pytest.mark.slow

MANY = 200


def online(running: Server) -> int:
    mobiles = running.get(f"/gateway/mobile/list?apikey={KEY}")["result"]["mobiles"]
    return sum(bool(mobile["online"]) for mobile in mobiles)


def sent(running: Server, **fields: str) -> str:
    """Its id."""
    form = {"recipients": NUMBER, "message": "x", "apikey": KEY, **fields}
    return str(running.get("/sendsms/", form)["result"]["id"])


def test_two_hundred_phones_each_get_what_is_theirs_and_nothing_twice(tmp_path: Path) -> None:
    with server(tmp_path / "data") as running, phone(running, tmp_path, "--phones", str(MANY)) as played:
        ids = played.wait_all(MANY)
        wait_until(lambda: online(running) == MANY)
        theirs = {sent(running, sIdentifiant=id, message=id): id for id in ids}
        anybodys = {sent(running) for _ in range(MANY)}
        wait_until(lambda: len(played.sent) >= 2 * MANY)
        put_out = Counter(id for id, *_ in played.sent)
        assert set(put_out) == theirs.keys() | anybodys
        assert set(put_out.values()) == {1}
        assert {id: text for id, _, text in played.sent if id in theirs} == theirs
        handed = Counter(row_of(running, id)["sIdentifiantPhone"] for id in list(anybodys)[:20])
        assert max(handed.values()) <= 2, "the pool is shared out"


def row_of(running: Server, id: str) -> dict[str, str]:
    return running.wait_row(id, KEY, "send_from_mobile")


class House:
    """A server by plain HTTP for the test itself, and by HTTPS for phones, with the certificate of `dragoman tls init`."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.data, self.port = folder, folder / "data", free_port()
        made = dragoman(self.data, "tls", "init", "--host", "127.0.0.1")
        assert made.returncode == 0, made.stderr
        self.settings = {"DRAGOMAN_LISTEN_TLS": f"127.0.0.1:{self.port}", "DRAGOMAN_WEBHOOK_NETWORKS": "127.0.0.0/8"}
        self.at = f"https://127.0.0.1:{self.port}"

    @property
    def ca(self) -> str:
        return str(self.data / "tls" / "ca.pem")


@pytest.fixture
def house(tmp_path: Path) -> House:
    return House(tmp_path)


def test_a_phone_that_trusts_the_ca_alone_does_all_that_it_does(house: House) -> None:
    script = house.folder / "script.json"
    script.write_text(json.dumps({NUMBER: {"delivered_after_s": 0.2}}))
    with (
        server(house.data, **house.settings) as running,
        phone(running, house.folder, "--ca", house.ca, "--script", str(script), at=house.at) as played,
    ):
        id = played.wait_ready()
        wait_until(lambda: listed(running, id).get("online"))
        first = sent(running, message="by https")
        wait_until(lambda: status(house.folder, first) == "delivered")
        played.do("receive", phone=0, sender=NUMBER, text="an answer")
        [received] = wait_until(lambda: running.get(f"/getsms?apikey={KEY}")["result"]["sms"])
        assert received["message"] == "an answer"
        played.do("cut")
        second = sent(running, message="after the cut")
        wait_until(lambda: status(house.folder, second) == "delivered", 25)
        assert [text for *_, text in played.sent] == ["by https", "after the cut"]


def test_a_phone_with_another_ca_is_refused_and_says_why(house: House, tmp_path_factory: pytest.TempPathFactory) -> None:
    stranger = House(tmp_path_factory.mktemp("stranger"))
    with server(house.data, **house.settings) as running, phone(running, house.folder, "--ca", stranger.ca, at=house.at) as played:
        wait_until(lambda: "CERTIFICATE_VERIFY_FAILED" in played.log.read_text())
        assert running.get(f"/gateway/mobile/list?apikey={KEY}")["result"]["mobiles"] == []
        assert played.sent == []

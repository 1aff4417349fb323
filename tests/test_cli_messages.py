"""`dragoman inbox` and `dragoman log`: what they list, what they mark, and that a message cannot play with the operator's terminal."""

from __future__ import annotations

import asyncio
import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from adapters import control
from adapters.apis import ApiSettings, smsmobileapi
from adapters.cli import dragoman
from adapters.commands.messages import COMMANDS
from service.errors import Invalid, NotFound
from service.links import CODE_LENGTH
from service.messages import MoMessage
from tests.apis.gateway import KEY, MemoryGateway
from tests.fakes import START, RecordingLog, on_the_loop

HOUR = timedelta(hours=1)
EVIL = "a\x1b[2Jb\u202ec\nd\x9b"
SETTINGS = ApiSettings(public_url="https://sms.example.org")


async def house() -> MemoryGateway:
    """An inbox of three: `first` from the number, `second` from a name two hours later, `third` from the number again."""
    at = MemoryGateway(smsmobileapi.api, SETTINGS)
    account = await at.account(name="default", default_country="BE")
    await at.account("other", name="other")
    device = at.connect(account_id=account.id).device.id
    for hours, sender, text in ((0, "+32495898697", "first"), (2, "MPESA", "second"), (4, "+32495898697", "third")):
        at.clock.now = START + hours * HOUR
        await at.outcome.received(MoMessage(device=device, sender=sender, text=text, received=at.clock.now))
    return at


async def inbox(at: MemoryGateway, **arguments: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = await COMMANDS["messages.inbox"](at.gateway, arguments)
    json.dumps(found)
    return found


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ({}, ["third", "second", "first"]),
        ({"limit": 2}, ["third", "second"]),
        ({"limit": -1}, ["third"]),
        ({"from": "0495/89.86.97"}, ["third", "first"]),
        ({"from": "MPESA"}, ["second"]),
        ({"from": "+32495898697", "limit": 1}, ["third"]),
        ({"from": "nobody"}, []),
        ({"after": "2026-03-20T13:00Z"}, ["third", "second"]),
        ({"after": "3h"}, ["third", "second"]),
        ({"after": "3h", "from": "+32495898697"}, ["third"]),
        ({"account": "other"}, []),
    ],
)
@on_the_loop
async def test_what_is_listed(arguments: dict[str, Any], expected: list[str]) -> None:
    assert [row["text"] for row in await inbox(await house(), **arguments)] == expected


@on_the_loop
async def test_only_what_is_shown_is_marked_as_read_and_it_was_not_before() -> None:
    at = await house()
    [shown] = await inbox(at, limit=1, mark_read=True)
    assert (shown["text"], shown["read"]) == ("third", False)
    for how in ({}, {"from": "+32495898697"}):
        assert "third" not in [row["text"] for row in await inbox(at, unread=True, **how)]
    assert [row["read"] for row in await inbox(at)] == [True, False, False]
    assert len(await inbox(at, unread=True)) == 2, "looking marks nothing"


@pytest.mark.parametrize(
    ("arguments", "refusal"),
    [
        ({"account": "nobody"}, NotFound),
        ({"limit": "many"}, Invalid),
        ({"unread": "yes"}, Invalid),
        *(({"after": value}, Invalid) for value in ("never", "soon", "999999w", "2026-13-01")),
    ],
)
@on_the_loop
async def test_what_cannot_be_read_is_refused(arguments: dict[str, Any], refusal: type[Exception]) -> None:
    with pytest.raises(refusal):
        await inbox(await house(), **arguments)


async def typed(at: MemoryGateway, folder: Path, *line: str) -> Result:
    stop = await control.listen(folder, at.gateway, log=RecordingLog())
    try:
        return await asyncio.to_thread(CliRunner().invoke, dragoman, [*line, "--data", str(folder)])
    finally:
        await stop()


@on_the_loop
async def test_the_flags_reach_the_command(tmp_path: Path) -> None:
    at = await house()
    line = ("inbox", "--unread", "--from", "+32495898697", "--after", "2026-03-20T13:00Z", "--limit", "5", "--mark-read", "--json")
    assert [row["text"] for row in json.loads((await typed(at, tmp_path, *line)).output)] == ["third"]
    assert json.loads((await typed(at, tmp_path, *line)).output) == []


@on_the_loop
async def test_a_message_moves_no_cursor_and_the_text_is_the_same_in_json(tmp_path: Path) -> None:
    at = await house()
    await at.outcome.received(MoMessage(device="00112233445566ff", sender="x", text=EVIL, received=at.clock.now))
    shown = (await typed(at, tmp_path, "inbox", "--limit", "1")).output
    assert r"a\x1b[2Jb\u202ec\nd\x9b" in shown
    in_json = (await typed(at, tmp_path, "inbox", "--limit", "1", "--json")).output
    assert not {"\x1b", "\u202e", "\x9b"} & set(shown + in_json)
    assert json.loads(in_json)[0]["text"] == EVIL


@on_the_loop
async def test_the_log_tells_the_clicks_of_short_links_to_their_account_only() -> None:
    at = await house()
    await at.get(
        "/sendsms", apikey=KEY, recipients="+32495898697", message="See https://shop.test/a and https://shop.test/b.", shorturl="1"
    )
    await at.get("/sendsms", apikey=KEY, recipients="+32495898697", message="no link")
    plain, linked = await COMMANDS["messages.log"](at.gateway, {})
    assert (plain["clicks"], linked["clicks"]) == (None, 0)
    for start in [at for at in range(len(linked["text"])) if linked["text"].startswith("/s/", at)]:
        await at.links.follow(linked["text"][start + 3 : start + 3 + CODE_LENGTH], is_click=True)
    await at.links.close()
    assert (await COMMANDS["messages.log"](at.gateway, {}))[1]["clicks"] == 2
    await at.get("/sendsms", apikey="other", recipients="+32495898697", message=linked["text"])
    assert [row["clicks"] for row in await COMMANDS["messages.log"](at.gateway, {"account": "other"})] == [None]

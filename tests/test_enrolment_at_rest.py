"""What a thief of the database has of tokens, codes, passwords and devices' secrets: none of them. The commands as they are asked."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from adapters.commands import load
from adapters.data_folder import open_folder
from adapters.offline import open_gateway
from adapters.settings import Settings
from service.accounts import Account
from service.errors import Invalid, KeyUnknown, NotFound
from service.gateway import Gateway
from tests.fakes import RecordingLog, on_the_loop

COMMANDS = load()


@asynccontextmanager
async def gateway_in(folder: Path) -> AsyncIterator[Gateway]:
    opened = open_folder(folder)
    try:
        async with open_gateway(Settings(data=folder), opened, RecordingLog()) as gateway:
            yield gateway
    finally:
        opened.close()


async def do(gateway: Gateway, command: str, **arguments: Any) -> Any:
    return json.loads(json.dumps(await COMMANDS[command](gateway, arguments)))


@on_the_loop
async def test_no_secret_is_on_the_disk(tmp_path: Path) -> None:
    async with gateway_in(tmp_path) as gateway:
        account = await gateway.store.create_account(Account(id=0, name="default"))
        token = await do(gateway, "devices.token.new", label="the label")
        code = await do(gateway, "devices.code")
        joined = await gateway.enrolment.join(account, kind="smsgate", label="phone", sims=1, secrets={"signing_key": "a-signing-key"})
        await gateway.enrolment.set_secrets(joined.device.id, {"signing_key": "another-signing-key"})
        made = await do(gateway, "accounts.password", name="default")
        given = "correct horse battery"
        await do(gateway, "accounts.password", name="default", password=given)
        assert await gateway.enrolment.by_password("default", given, peer=None) == account
        assert await gateway.enrolment.secrets(joined.device.id) == {"signing_key": "another-signing-key"}
        secrets = [token["secret"], code["secret"], joined.token, joined.password, made["secret"], given, "signing-key"]
    kept = b"".join(path.read_bytes() for path in tmp_path.iterdir() if path.is_file())
    assert b"the label" in kept and b"$argon2id$" in kept
    assert [secret for secret in secrets if secret is None or secret.encode() in kept] == []


@on_the_loop
async def test_the_commands_make_list_and_end_what_lets_phones_in(tmp_path: Path) -> None:
    async with gateway_in(tmp_path) as gateway:
        account = await gateway.store.create_account(Account(id=0, name="default"))
        shop = await gateway.store.create_account(Account(id=0, name="shop"))
        first = await do(gateway, "devices.token.new")
        second = await do(gateway, "devices.token.new", account="shop", label="office")
        assert (second["account"], second["label"]) == ("shop", "office")
        rows = await do(gateway, "devices.token.list")
        assert [row["account"] for row in rows] == ["default", "shop"]
        assert await do(gateway, "devices.token.list", account="shop") == rows[1:]
        assert await do(gateway, "devices.token.revoke", id=rows[0]["id"]) == rows[0]
        with pytest.raises(KeyUnknown):
            await gateway.enrolment.by_token(first["secret"], peer=None)
        assert await gateway.enrolment.by_token(second["secret"], peer=None) == shop
        code = await do(gateway, "devices.code")
        assert code["valid_until"].endswith("Z")
        assert await gateway.enrolment.by_code(code["secret"], peer=None) == account
        made = await do(gateway, "accounts.password", name="shop")
        assert made["login"] == "shop"
        assert await gateway.enrolment.by_password("shop", made["secret"], peer=None) == shop
        assert await do(gateway, "accounts.password", name="shop", password="n" * 14) == {"login": "shop"}
        assert await gateway.enrolment.by_password("shop", "n" * 14, peer=None) == shop
        for command, arguments, error in (
            ("devices.token.revoke", {"id": rows[0]["id"]}, NotFound),
            ("devices.token.new", {"account": "none"}, NotFound),
            ("devices.code", {"account": "none"}, NotFound),
            ("accounts.password", {"name": "none"}, NotFound),
            ("accounts.password", {"name": "shop", "password": "short"}, Invalid),
        ):
            with pytest.raises(error):
                await do(gateway, command, **arguments)

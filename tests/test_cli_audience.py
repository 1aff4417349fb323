"""`dragoman audience` and `dragoman campaigns` as an operator types them, over a real control socket and a gateway in memory."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.fakes import on_the_loop
from tests.test_cli_optouts import Desk

PHONE = "00112233445566ff"


class Office:
    def __init__(self, folder: Path) -> None:
        self.audience, self.campaigns = Desk(folder, "audience"), Desk(folder, "campaigns")
        self.campaigns.at = self.audience.at
        self.folder = folder

    async def bring(self, text: str, *more: str) -> Any:
        file = self.folder / "contacts.csv"
        file.write_text(text)
        return await self.audience.run("import", str(file), *more, "--json")


@on_the_loop
async def test_contacts_come_from_a_file_and_bad_lines_are_said(tmp_path: Path) -> None:
    office = Office(tmp_path)
    await office.audience.json("set-code", "8585", "--label", "shop")
    text = "name,number,city\nAnne,0495000001,Gent\nBert,nothing,Luik\nAnne,+32495000001,Brugge\n,0495000002\n"
    result = await office.bring(text, "--code", "8585", "--group", "vip")
    said = result.stderr.splitlines()
    assert (result.exit_code, said[0]) == (1, "line 3: 'nothing' is not a phone number")
    rows = await office.audience.json("contacts")
    assert isinstance(rows, list)
    assert [(row["number"], row["name"], row["fields"]) for row in rows] == [
        ("+32495000001", "Anne", {"city": "Brugge"}),
        ("+32495000002", "", {}),
    ]
    assert [group["group"] for group in await office.audience.json("groups")] == ["vip"]  # type: ignore[attr-defined]
    assert await office.audience.json("unsubscribe", "0495000001", "--code", "8585") == {"ended": 1}


@pytest.mark.parametrize("text", ["", "phone,name\n0495000001,Anne\n"])
@on_the_loop
async def test_a_file_without_a_column_for_the_number_is_refused(tmp_path: Path, text: str) -> None:
    result = await Office(tmp_path).bring(text)
    assert (result.exit_code, "number" in result.stderr) == (1, True)


@on_the_loop
async def test_a_code_has_the_sims_of_the_account_and_no_others(tmp_path: Path) -> None:
    office = Office(tmp_path)
    await office.audience.json("codes")
    office.audience.at.connect(PHONE)
    row = {"code": "8585", "label": "", "sims": [f"{PHONE}:2"]}
    assert await office.audience.json("set-code", "8585", "--sim", f"{PHONE}:2") == row
    for sim in (f"{PHONE}:3", "ffff:1", PHONE):
        assert (await office.audience.run("set-code", "8585", "--sim", sim)).exit_code == 1
    assert await office.audience.json("codes") == [row]
    assert await office.audience.json("remove-code", "8585") == {"removed": "8585"}
    assert (await office.audience.run("remove-code", "8585")).exit_code == 1


@on_the_loop
async def test_a_campaign_is_started_watched_and_cancelled(tmp_path: Path) -> None:
    office = Office(tmp_path)
    await office.audience.json("set-code", "8585")
    await office.bring("number\n0495000001\n0495000002\n", "--code", "8585")
    driver = office.audience.at.connect(PHONE)
    started = await office.campaigns.json("start", "spring", "hello", "--code", "8585")
    assert isinstance(started, dict)
    assert (started["state"], started["planned"]) == ("running", 2)
    await office.audience.at.gateway.campaigns.step()
    await office.audience.at.deliver(driver)
    watched = await office.campaigns.json("watch", str(started["id"]))
    assert isinstance(watched, dict)
    assert (watched["state"], watched["queued"], watched["waiting"], watched["sent"]) == ("done", 2, 0, 2)
    cancelled = await office.campaigns.json("cancel", str(started["id"]))
    assert isinstance(cancelled, dict)
    assert await office.campaigns.json("list") == [cancelled]
    assert (cancelled["state"], cancelled["sent"]) == ("cancelled", 2)

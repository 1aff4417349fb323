"""What `dragoman webhooks` asks: the names and arguments of its commands, and how an answer is shown."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from adapters import control
from adapters.apis import health
from adapters.cli import dragoman
from tests.apis.gateway import MemoryGateway
from tests.fakes import RecordingLog, on_the_loop

OURS = Path(__file__).read_text().strip()
"""any file's content can be a secret"""
ASKED: list[tuple[list[str], str, dict[str, Any]]] = [
    (["add", "https://a.test/h"], "webhooks.add", {"url": "https://a.test/h", "v2": False}),
    (
        ["add", "https://a.test/h", "--v2", "--events", "message.sent,message.failed", "--account", "shop"],
        "webhooks.add",
        {"url": "https://a.test/h", "v2": True, "events": ["message.sent", "message.failed"], "account": "shop"},
    ),
    (["add", "https://a.test/h", "--secret-file", __file__], "webhooks.add", {"url": "https://a.test/h", "v2": False, "secret": OURS}),
    (["list"], "webhooks.list", {}),
    (["remove", "3"], "webhooks.remove", {"id": 3}),
    (["test", "3"], "webhooks.test", {"id": 3}),
    (["rotate", "3"], "webhooks.rotate", {"id": 3}),
    (["rotate", "3", "--finish"], "webhooks.rotate", {"id": 3, "finish": True}),
    (["deliveries", "3", "--state", "dead", "--limit", "5"], "webhooks.deliveries", {"id": 3, "state": "dead", "limit": 5}),
    (["replay", "3", "--delivery", "9"], "webhooks.replay", {"id": 3, "delivery": 9}),
    (["resume", "3"], "webhooks.resume", {"id": 3}),
]


@pytest.mark.parametrize(("line", "command", "arguments"), ASKED)
@on_the_loop
async def test_each_line_asks_its_command(tmp_path: Path, line: list[str], command: str, arguments: dict[str, Any]) -> None:
    asked: list[dict[str, Any]] = []

    async def answer(gateway: Any, arguments: dict[str, Any]) -> dict[str, Any]:
        asked.append(arguments)
        return {"id": 3, "secret": "s3cret"}

    stop = await control.listen(tmp_path, MemoryGateway(health.api).gateway, log=RecordingLog(), commands={command: answer})
    try:
        result = await asyncio.to_thread(CliRunner().invoke, dragoman, ["webhooks", *line, "--data", str(tmp_path)])
    finally:
        await stop()
    assert result.exit_code == 0, result.output
    assert asked == [arguments]
    assert ("shown only now" in result.output) is (line[0] in ("add", "rotate"))

"""What run_server.py connects: who is woken by what."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from run_server import _wakers


def worker(device: str, account_id: int, woken: list[str]) -> Any:
    phone = SimpleNamespace(id=device, account_id=account_id)
    return SimpleNamespace(driver=SimpleNamespace(device=phone), wake=lambda: woken.append(device))


def test_a_queued_message_wakes_its_phone_or_all_of_the_accounts() -> None:
    woken: list[str] = []
    queued, _ = _wakers([worker("a1", 1, woken), worker("a2", 1, woken), worker("b1", 2, woken)])
    queued(1, None)
    assert woken == ["a1", "a2"]
    woken.clear()
    queued(1, "a2")
    assert woken == ["a2"]
    woken.clear()
    queued(1, "b1")
    queued(3, None)
    assert woken == []


def test_a_phone_that_comes_online_is_woken() -> None:
    woken: list[str] = []
    _, changed = _wakers([worker("a1", 1, woken), worker("a2", 1, woken)])
    changed("a2")
    changed("unknown")
    assert woken == ["a2"]

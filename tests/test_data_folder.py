"""The data folder: private, held by one server, and the same node after a restart."""

from __future__ import annotations

import os
import re
import stat
from pathlib import Path

import pytest

from adapters.data_folder import FIRST_KEY, FolderInUse, open_folder


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_it_is_made_with_what_leads_to_it_and_nobody_else_can_look(tmp_path: Path) -> None:
    folder = open_folder(tmp_path / "a" / "b")
    folder.close()
    assert mode(tmp_path / "a" / "b") == 0o700


def test_a_second_server_is_told_who_holds_it_and_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "server.lock").write_text("a dead server with a longer number\n")
    folder = open_folder(tmp_path)
    with pytest.raises(FolderInUse) as refused:
        open_folder(tmp_path)
    assert str(tmp_path) in str(refused.value)
    assert f"(pid {os.getpid()})" in str(refused.value)
    assert "--data" in str(refused.value)
    folder.close()


def test_a_folder_that_was_let_go_can_be_had_again_and_is_the_same_node(tmp_path: Path) -> None:
    folder = open_folder(tmp_path)
    folder.close()
    again = open_folder(tmp_path)
    assert re.fullmatch("[0-9a-f]{16}", folder.node)
    assert again.node == folder.node
    again.close()


def test_each_folder_is_a_node_of_its_own(tmp_path: Path) -> None:
    folders = [open_folder(tmp_path / name) for name in "ab"]
    assert folders[0].node != folders[1].node
    for folder in folders:
        folder.close()


def test_a_node_whose_name_was_lost_gets_a_new_one(tmp_path: Path) -> None:
    (tmp_path / "node").write_text("")
    folder = open_folder(tmp_path)
    assert re.fullmatch("[0-9a-f]{16}", folder.node)
    assert (tmp_path / "node").read_text().strip() == folder.node
    folder.close()


def test_a_refused_server_keeps_nothing_open(tmp_path: Path) -> None:
    folder = open_folder(tmp_path)
    before = len(os.listdir("/proc/self/fd")) if Path("/proc/self/fd").exists() else 0
    for _ in range(3):
        with pytest.raises(FolderInUse):
            open_folder(tmp_path)
    assert (len(os.listdir("/proc/self/fd")) if before else 0) == before
    folder.close()


@pytest.mark.parametrize("was_there", [True, False])
def test_the_first_key_is_for_its_owner_alone(tmp_path: Path, was_there: bool) -> None:
    if was_there:
        (tmp_path / FIRST_KEY).write_text("an older and longer key\n")
        (tmp_path / FIRST_KEY).chmod(0o644)
    folder = open_folder(tmp_path)
    path = folder.write_first_key("secret")
    assert (path, path.read_text(), mode(path)) == (tmp_path / FIRST_KEY, "secret\n", 0o600)
    folder.close()


def test_a_path_that_cannot_be_a_folder(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OSError, match="file"):
        open_folder(tmp_path / "file")

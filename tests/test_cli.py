"""The command line: what reaches the server, and the exit status that a shell sees."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from adapters.cli import NOT_FLAGS, dragoman
from adapters.settings import Settings

ROOT = Path(__file__).parent.parent


class Served:
    """Stands in for the server: remembers its settings and ends with `status`."""

    def __init__(self, status: int = 0) -> None:
        self.status = status
        self.settings: list[Settings] = []

    def __call__(self, settings: Settings, after_start: Any = None) -> int:
        self.settings.append(settings)
        return self.status


def invoke(served: Served, *arguments: str, **environment: str | None) -> Result:
    clean: dict[str, str | None] = dict.fromkeys((name for name in os.environ if name.startswith("DRAGOMAN_")), None)
    return CliRunner().invoke(dragoman, list(arguments), obj=served, env={**clean, **environment})


@pytest.mark.parametrize("status", [0, 1])
def test_the_exit_status_is_the_servers(status: int) -> None:
    served = Served(status)
    assert invoke(served, "serve").exit_code == status
    assert served.settings == [Settings()]


def test_file_environment_and_flags_reach_the_server(tmp_path: Path) -> None:
    served, config = Served(), tmp_path / "dragoman.toml"
    config.write_text('log = "json"\nsimulator = 1\n')
    result = invoke(
        served, "serve", "--config", str(config), "--listen", "[::1]:1,[::1]:2", "--legacy-errors", "yes", DRAGOMAN_SIMULATOR="2"
    )
    assert result.exit_code == 0, result.output
    (settings,) = served.settings
    assert (settings.log, settings.simulator, settings.listen, settings.legacy_errors) == ("json", 2, ("[::1]:1", "[::1]:2"), True)


def test_wrong_settings_are_all_named_the_server_does_not_start_and_the_status_is_2(tmp_path: Path) -> None:
    served, config = Served(), tmp_path / "dragoman.toml"
    config.write_text("simulator = -1\n")
    result = invoke(served, "serve", "--config", str(config), "--body-limit", "1", DRAGOMAN_LISTENS="a:1")
    assert result.exit_code == 2
    assert sorted(line[: line.index(":", 7)] for line in result.stderr.splitlines()) == [
        "error: --body-limit",
        "error: DRAGOMAN_LISTENS",
        "error: simulator",
    ]
    assert (result.stdout, served.settings) == ("", [])


def test_every_setting_is_a_flag_with_its_variable_and_default_but_a_secret_is_none() -> None:
    result = invoke(Served(), "serve", "--help")
    assert result.exit_code == 0
    words = " ".join(result.stdout.split())
    for name in Settings.model_fields:
        flag = f"--{name.replace('_', '-')}"
        assert (flag in words) is (name not in NOT_FLAGS)
        assert f"DRAGOMAN_{name.upper()}" in words
    assert "default: 127.0.0.1:8080" in words


@pytest.mark.parametrize("arguments", [["serve", "--nonsense", "1"], ["serve", "surplus"], ["nonsense"]])
def test_what_is_no_flag_or_command_is_a_usage_error(arguments: list[str]) -> None:
    served = Served()
    assert invoke(served, *arguments).exit_code == 2
    assert served.settings == []


def test_a_secret_cannot_be_given_as_a_flag() -> None:
    assert invoke(Served(), "serve", "--bootstrap-api-key", "k" * 20).exit_code == 2


@pytest.mark.parametrize("status", [0, 1])
def test_a_demo_serves_one_simulated_phone_from_a_folder_that_goes_with_it(status: int) -> None:
    served = Served(status)
    assert invoke(served, "demo", "--once", "--listen", "127.0.0.1:0").exit_code == status
    (settings,) = served.settings
    assert (settings.simulator, settings.listen, settings.database_url) == (1, ("127.0.0.1:0",), "")
    assert settings.bootstrap_api_key
    assert not settings.data.exists()


@pytest.mark.parametrize("arguments", [[], ["serve"]])
def test_without_a_command_it_serves(tmp_path: Path, arguments: list[str]) -> None:
    """As a process, since it reads the real command line; wrong settings end it before it opens anything."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("DRAGOMAN_")}
    command = [sys.executable, str(ROOT / "run_server.py"), *arguments, "--listen", "nowhere", "--data", str(tmp_path / "data")]
    ended = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stdout) == (2, "")
    assert ended.stderr == "error: --listen: must be HOST:PORT, for example 127.0.0.1:8080 or [::1]:8080\n"
    assert not (tmp_path / "data").exists()

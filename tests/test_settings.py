"""What an operator may decide, where from, and that every mistake is named at once, in his own spelling."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from adapters.settings import Settings, SettingsError, read


def complaints(tmp_path: Path, file: str | None = None, environment: dict[str, str] | None = None, **flags: Any) -> list[str]:
    config = None
    if file is not None:
        config = tmp_path / "dragoman.toml"
        config.write_text(file)
    with pytest.raises(SettingsError) as wrong:
        read(config=config, environment=environment or {}, flags=flags)
    assert str(wrong.value) == "\n".join(wrong.value.complaints)
    return wrong.value.complaints


def test_without_a_word_everything_has_a_default() -> None:
    settings = read(environment={})
    assert settings == Settings()
    assert (settings.listen, settings.data, settings.database_url) == (("127.0.0.1:8080",), Path("data"), "")
    assert (settings.public_url, settings.bootstrap_api_key, settings.simulator) == (None, None, 0)


def test_flags_come_before_the_environment_and_that_before_the_file(tmp_path: Path) -> None:
    config = tmp_path / "dragoman.toml"
    config.write_text('listen = "1.1.1.1:1"\nsimulator = 1\nlog = "json"\n')
    environment = {"DRAGOMAN_LISTEN": "2.2.2.2:2", "DRAGOMAN_SIMULATOR": "2", "PATH": "/bin"}
    settings = read(config=config, environment=environment, flags={"listen": "3.3.3.3:3", "simulator": None, "log": None})
    assert (settings.listen, settings.simulator, settings.log) == (("3.3.3.3:3",), 2, "json")


@pytest.mark.parametrize(
    ("given", "listen"),
    [
        ("127.0.0.1:0", ("127.0.0.1:0",)),
        ("[::1]:8080", ("[::1]:8080",)),
        ("localhost:80, [::]:65535 ,", ("localhost:80", "[::]:65535")),
        (["a:1", "b:2"], ("a:1", "b:2")),
    ],
)
def test_addresses(given: object, listen: tuple[str, ...]) -> None:
    assert read(environment={}, flags={"listen": given}).listen == listen


@pytest.mark.parametrize(
    ("name", "given", "value"),
    [
        ("public_url", "https://sms.example.org/", "https://sms.example.org"),
        ("public_url", "", None),
        ("bootstrap_api_key", "", None),
        ("bootstrap_api_key", "k" * 16, "k" * 16),
        ("database_url", "postgresql://me@host/db", "postgresql://me@host/db"),
        ("database_url", "sqlite:///x.db", "sqlite:///x.db"),
        ("legacy_errors", "true", True),
        ("legacy_errors", "0", False),
        ("body_limit", "1024", 1024),
        ("connections", "20000", 20_000),
        ("data", "/var/lib/dragoman", Path("/var/lib/dragoman")),
    ],
)
def test_values_as_the_environment_has_them(name: str, given: str, value: object) -> None:
    assert getattr(read(environment={f"DRAGOMAN_{name.upper()}": given}), name) == value


def test_the_behaviour_of_simulated_phones_is_json_or_a_table(tmp_path: Path) -> None:
    config = tmp_path / "dragoman.toml"
    config.write_text("[simulator_behaviour]\nwindow = 7\nlatency_s = [1, 2]\n")
    for settings in (
        read(config=config, environment={}),
        read(environment={"DRAGOMAN_SIMULATOR_BEHAVIOUR": '{"window": 7, "latency_s": [1, 2]}'}),
    ):
        assert (settings.simulator_behaviour.window, settings.simulator_behaviour.latency_s) == (7, (1, 2))


WRONG: list[tuple[str, str, str]] = [
    ("listen", "8080", "must be HOST:PORT"),
    ("listen", "127.0.0.1:65536", "must be HOST:PORT"),
    ("listen", "::1:80", "must be HOST:PORT"),
    ("listen", "", "at least 1 item"),
    ("database_url", "mysql://host/db", "must be empty (SQLite in the data folder), sqlite:///FILE or postgresql://"),
    ("public_url", "sms.example.org", "must be the address that callers use"),
    ("public_url", "ftp://sms.example.org", "must be the address that callers use"),
    ("public_url", "https://x/?a=1", "must be the address that callers use"),
    ("bootstrap_api_key", "short", "must be 16 to 200 printable ASCII characters"),
    ("bootstrap_api_key", "with a space in it", "must be 16 to 200 printable ASCII characters"),
    ("simulator", "many", "must be a whole number"),
    ("simulator", "101", "less than or equal to 100"),
    ("simulator", "-1", "greater than or equal to 0"),
    ("simulator_behaviour", "fast", "must be a JSON object"),
    ("simulator_behaviour", "[]", ""),
    ("simulator_behaviour", '{"speed": 1}', "speed: not known; there are: "),
    ("simulator_behaviour", '{"silence": 2}', "a share must be from 0 to 1"),
    ("simulator_behaviour", '{"window": "x"}', "must be a whole number"),
    ("log", "xml", "'text' or 'json'"),
    ("legacy_errors", "perhaps", "boolean"),
    ("body_limit", "1", "greater than or equal to 1024"),
    ("connections", "9", "greater than or equal to 10"),
    ("lisen", "a:1", "is not a setting; there are: body_limit, bootstrap_api_key, "),
]


@pytest.mark.parametrize(("name", "given", "why"), WRONG)
def test_a_mistake_is_named_and_explained(tmp_path: Path, name: str, given: str, why: str) -> None:
    variable = f"DRAGOMAN_{name.upper()}"
    (complaint,) = complaints(tmp_path, environment={variable: given})
    assert complaint.startswith(f"{variable}: ")
    assert why in complaint


def test_every_mistake_is_named_at_once_each_as_it_was_spelt(tmp_path: Path) -> None:
    found = complaints(
        tmp_path, file='simulator = "many"\nnonsense = 1\n', environment={"DRAGOMAN_LOG": "xml"}, listen="8080", public_url="x"
    )
    assert {complaint.partition(":")[0] for complaint in found} == {"simulator", "nonsense", "DRAGOMAN_LOG", "--listen", "--public-url"}
    assert len(found) == 5


def test_a_secret_is_not_repeated_in_a_complaint(tmp_path: Path) -> None:
    (complaint,) = complaints(tmp_path, environment={"DRAGOMAN_BOOTSTRAP_API_KEY": "my secret key"})
    assert "secret" not in complaint


@pytest.mark.parametrize("file", ["listen = ", "\x00", "= 1"])
def test_a_file_that_is_not_toml(tmp_path: Path, file: str) -> None:
    (complaint,) = complaints(tmp_path, file=file)
    assert complaint.startswith(f"--config {tmp_path / 'dragoman.toml'}: is not TOML: ")


def test_a_file_in_another_encoding(tmp_path: Path) -> None:
    config = tmp_path / "dragoman.toml"
    config.write_bytes(b'data = "\xe9"')
    with pytest.raises(SettingsError, match="is not TOML"):
        read(config=config, environment={})


@pytest.mark.parametrize("name", ["nowhere.toml", "."])
def test_a_file_that_cannot_be_read(tmp_path: Path, name: str) -> None:
    with pytest.raises(SettingsError, match=r"cannot be read: (No such file|Is a directory)"):
        read(config=tmp_path / name, environment={})

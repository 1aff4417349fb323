"""The page of a sealed message in a real browser: it opens with the key, and says so when the key is wrong."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from running_server import KEY, RunningServer, running, wait_until

TEXT = "The gate opens at seven: hé €😀 <b>&amp;</b>\nsecond line"
ORDER = "order-number-one"


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("sealed")


@pytest.fixture(scope="module")
def linking(data: Path) -> Iterator[RunningServer]:
    """A server whose public URL is its own."""
    with running(data, DRAGOMAN_PUBLIC_URL="{base}") as server:
        yield server


@pytest.fixture(scope="module")
def browser(installed: None) -> Iterator[Any]:
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    options.binary_location = "/usr/bin/chromium"
    # as root, and in a container with little shared memory
    for argument in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--no-proxy-server"):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService("/usr/bin/chromedriver"))
    yield driver
    driver.quit()


@pytest.fixture(scope="module")
def told(linking: RunningServer) -> dict[str, str]:
    """What the caller is told of one sealed message, sent twice under one idempotency key."""
    fields = {"apikey": KEY, "recipients": "+32495898697", "message": TEXT, "encrypt_message": "yes", "idempotency_key": ORDER}
    first, again = (linking.get("/sendsms/", **fields)["result"]["encrypted"] for _ in range(2))
    assert first == again
    assert isinstance(first, dict)
    return first


def type_key(browser: Any, url: str, key: str) -> None:
    browser.get(url)
    field = browser.find_element("id", "key")
    field.send_keys(key)
    field.submit()


def shown(browser: Any, id: str) -> bool:
    return bool(browser.find_element("id", id).is_displayed())


@pytest.mark.parametrize("spell", [str, str.lower, lambda key: f" {key.replace('-', ' ')} "])
def test_the_key_opens_the_message(browser: Any, told: dict[str, str], spell: Any) -> None:
    type_key(browser, told["url"], spell(told["key"]))
    wait_until(lambda: shown(browser, "text"))
    assert browser.find_element("id", "text").get_property("textContent") == TEXT
    assert not shown(browser, "error")
    assert not shown(browser, "form")


def test_a_wrong_key_shows_an_error_and_the_right_one_still_opens(browser: Any, told: dict[str, str]) -> None:
    type_key(browser, told["url"], "AAAAA-BBBBB-CCCCC-DDDDD")
    wait_until(lambda: shown(browser, "error"))
    assert "does not open" in browser.find_element("id", "error").text
    assert not shown(browser, "text")
    field = browser.find_element("id", "key")
    field.clear()
    field.send_keys(told["key"])
    field.submit()
    wait_until(lambda: shown(browser, "text"))
    assert not shown(browser, "error")


def test_neither_key_nor_text_leaves_the_page(browser: Any, told: dict[str, str]) -> None:
    type_key(browser, told["url"], told["key"])
    wait_until(lambda: shown(browser, "text"))
    assert browser.current_url == told["url"]
    names = browser.execute_script("return performance.getEntriesByType('resource').map(entry => entry.name)")
    base = told["url"].rsplit("/", 1)[0]
    assert set(names) - {told["url"].split("/m/")[0] + "/favicon.ico"} == {f"{base}/sealed.css", f"{base}/sealed.js"}
    # the policy stops what is injected
    assert not browser.execute_script(
        "const s = document.createElement('script'); s.textContent = 'window.injected = 1'; document.body.append(s); return window.injected"
    )


def test_the_servers_files_hold_neither_key_nor_text(linking: RunningServer, told: dict[str, str], data: Path) -> None:
    kept = {path.name: path.read_bytes() for path in data.rglob("*") if path.is_file()}
    assert b"Encrypted message: " in kept["dragoman.db"] + kept["dragoman.db-wal"]
    for secret in ("The gate opens", "second line", told["key"], told["key"].replace("-", ""), KEY, ORDER):
        assert [name for name, content in kept.items() if secret.encode() in content] == []


def test_a_short_link_brings_the_browser_where_the_message_led(browser: Any, linking: RunningServer) -> None:
    url = linking.url("/health?from=a%20link&x=1")
    sent = linking.get("/sendsms/", apikey=KEY, recipients="+32495898697", message=f"See {url}.", shorturl="1")["result"]
    text = linking.sent(sent["id"])["sms"]
    assert text.startswith(f"See {linking.base}/s/")
    browser.get(text.removeprefix("See ").removesuffix("."))
    assert browser.current_url == url

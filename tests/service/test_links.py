"""Short links: what is a link in a text, what is sent instead, where it leads, that clicks are counted."""

from __future__ import annotations

import asyncio
import re
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.aes_gcm import AesGcm
from adapters.storage.memory import MemoryStore
from service.errors import InDoubt, Invalid, Missing, Unavailable
from service.links import ALPHABET, CODE_LENGTH, Links, ShortLink, find, may_be_linked, new_code
from service.messages import Submit
from tests.fakes import START, FakeClock, on_the_loop, ripple

BASE = "https://sms.test"


class Clicks(MemoryStore):
    """Fails where a test says so; while `gate` is closed nothing is counted."""

    def __init__(self) -> None:
        super().__init__()
        self.failures: list[Exception] = []
        self.writes = 0
        self.gate = asyncio.Event()
        self.gate.set()

    async def count_clicks(self, clicks: Any) -> None:
        self.writes += 1
        await self.gate.wait()
        if self.failures:
            raise self.failures.pop(0)
        await super().count_clicks(clicks)


class Desk:
    def __init__(self, public_url: str | None = BASE) -> None:
        self.store, self.clock = Clicks(), FakeClock()
        self.links = Links(store=self.store, cipher=AesGcm(), clock=self.clock, public_url=public_url)

    def write(self, text: str, **wishes: Any) -> Any:
        submit = Submit(**{"recipients": ("1",), "text": text, "api": "test", "shorten": True, **wishes})
        return self.links.write(submit, 1, START)

    def kept(self, url: str = "https://example.org/") -> ShortLink:
        [link] = self.write(url).links
        self.store._link([link], None)
        return link

    async def clicks(self, link: ShortLink) -> int:
        found = await self.store.find_link(link.code)
        assert found is not None
        return found.clicks


# finding


def urls(text: str) -> list[str]:
    return [text[start:end] for start, end in find(text)]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", []),
        ("see example.org or ftp://example.org", []),
        ("https://example.org", ["https://example.org"]),
        ("HTTP://EXAMPLE.ORG/A", ["HTTP://EXAMPLE.ORG/A"]),
        ("See https://example.org/offer?id=1&x=%20#top.", ["https://example.org/offer?id=1&x=%20#top"]),
        ("(https://example.org/a)", ["https://example.org/a"]),
        ("(see https://example.org/a).", ["https://example.org/a"]),
        ("https://en.wikipedia.org/wiki/Cat_(animal)", ["https://en.wikipedia.org/wiki/Cat_(animal)"]),
        ("(https://en.wikipedia.org/wiki/Cat_(animal)), yes", ["https://en.wikipedia.org/wiki/Cat_(animal)"]),
        ("[https://example.org/?a[0]=1]", ["https://example.org/?a[0]=1"]),
        ('"https://example.org/a", <https://example.org/b>', ["https://example.org/a", "https://example.org/b"]),
        ("really?! https://example.org/a?!", ["https://example.org/a"]),
        ("'https://example.org/it's'", ["https://example.org/it's"]),
        ("https://例え.jp/見て。", ["https://例え.jp/見て"]),
        ("看https://example.org/a，好", ["https://example.org/a，好"]),
        ("http://[::1]:8080/a", ["http://[::1]:8080/a"]),
        ("http://user@example.org:80/a", ["http://user@example.org:80/a"]),
        ("a\nhttps://example.org/a\r\nb", ["https://example.org/a"]),
        ("https:// and http://? and https://.", []),
        ("http://[broken/ http://example.org:99999/", []),
        ("xhttp://example.org", []),
        ("https://a.test/https://b.test/", ["https://a.test/https://b.test/"]),
        ("https://a.test/,https://b.test/", ["https://a.test/,https://b.test/"]),
        ("*https://example.org/a*", ["https://example.org/a"]),
        ("https://example.org/a_", ["https://example.org/a_"]),
        ("https://example.org/a/", ["https://example.org/a/"]),
        ("https://example.org/\u00a0next", ["https://example.org/"]),
    ],
)
def test_a_link_is_found_without_the_sentence_around_it(text: str, found: list[str]) -> None:
    assert urls(text) == found


HOSTS = st.from_regex(r"[a-z0-9]{1,10}\.(test|org|例え)", fullmatch=True)
TAILS = st.from_regex(r"(/[a-zA-Z0-9~_%-]{1,8}){0,3}/?(\?[a-z]=[a-z0-9&=]{0,8}[a-z0-9])?(#[a-z0-9]{1,5})?", fullmatch=True)
URLS = st.builds(lambda scheme, host, tail: f"{scheme}://{host}{tail}", st.sampled_from(["http", "https", "HTTPS"]), HOSTS, TAILS)
BEFORE = st.sampled_from(["", "see ", "(", "[", "“", '"', "\n", "看", "a: ", "<"])
AFTER = st.sampled_from(["", ".", ", and", ")", ").", "]", "”", '"', "\n", " x", "?!", "…", ">", "。"])


@given(st.lists(st.tuples(BEFORE, URLS, AFTER), max_size=4))
def test_links_of_any_text_are_found_whole(pieces: list[tuple[str, str, str]]) -> None:
    text = " ".join("".join(piece) for piece in pieces)
    assert urls(text) == [url for _, url, _ in pieces]


@given(st.text(max_size=80) | st.text(st.sampled_from("htps:/. a()[]?#é"), max_size=80))
def test_any_text_is_read_and_nothing_but_links_is_changed(text: str) -> None:
    linked = Desk().write(text or "x")
    restored = linked.text
    for link in linked.links:
        restored = restored.replace(f"{BASE}/s/{link.code}", link.url)
    assert restored == (text or "x")


# writing


def test_each_link_becomes_a_short_one_and_the_rest_stays() -> None:
    linked = Desk().write("A https://a.test/1, b (https://b.test/2) and https://a.test/1.")
    first, second = linked.links
    assert linked.text == f"A {BASE}/s/{first.code}, b ({BASE}/s/{second.code}) and {BASE}/s/{first.code}."
    assert [link.url for link in linked.links] == ["https://a.test/1", "https://b.test/2"]
    assert (first.account_id, first.created, first.expires, first.clicks) == (1, START, START + timedelta(days=365), 0)


def test_a_link_of_ours_is_short_already() -> None:
    desk = Desk()
    text = desk.write("https://a.test/ and https://b.test/").text
    assert desk.write(text).text == text
    assert desk.write(text).links == ()
    assert len(desk.write(f"{BASE}/shop").links) == 1


def test_without_the_wish_nothing_is_changed() -> None:
    linked = Desk(None).write("https://a.test/", shorten=False)
    assert (linked.text, linked.links, linked.sealed) == ("https://a.test/", (), None)


def test_a_lifetime_runs_from_when_the_message_is_due() -> None:
    due = START + timedelta(days=9)
    desk = Desk()
    assert desk.write("https://a.test/", due=due).links[0].expires == due + timedelta(days=365)
    assert desk.write("https://a.test/", due=START - timedelta(days=9)).links[0].expires == START + timedelta(days=365)
    assert desk.write("x", seal=True, due=due).sealed.expires == due + timedelta(days=30)


def test_a_code_cannot_be_guessed() -> None:
    codes = {new_code() for _ in range(1000)}
    assert len(codes) == 1000
    assert all(re.fullmatch(f"[{ALPHABET}]{{{CODE_LENGTH}}}", code) for code in codes)
    assert len(ALPHABET) ** CODE_LENGTH >= 1 << 60
    assert set("".join(codes)) == set(ALPHABET)


@pytest.mark.parametrize(
    ("public_url", "may"),
    [
        (None, False),
        ("", False),
        ("http://sms.example.org", False),
        ("http://192.168.1.2:8080", False),
        ("https://sms.example.org", True),
        ("http://localhost:8080", True),
        ("http://sms.localhost", True),
        ("http://127.0.0.1:8080", True),
        ("http://[::1]:8080", True),
        ("http://localhost.example.org", False),
    ],
)
def test_links_are_made_only_by_https_or_on_this_machine(public_url: str | None, may: bool) -> None:
    assert may_be_linked(public_url) is may
    for wish in ({}, {"seal": True}):
        if may:
            assert (public_url or "?") in Desk(public_url).write("https://a.test/", **wish).text
        else:
            with pytest.raises(Unavailable, match="DRAGOMAN_PUBLIC_URL"):
                Desk(public_url).write("https://a.test/", **wish)


def test_a_text_without_links_needs_no_public_url() -> None:
    assert Desk(None).write("hello").text == "hello"


@pytest.mark.parametrize("wish", ["shorten", "seal"])
def test_no_text_and_one_that_cannot_be_sent_are_refused(wish: str) -> None:
    with pytest.raises(Missing):
        Desk().write("", **{wish: True})
    with pytest.raises(Invalid):
        Desk().write("a\0b", seal=True)


# following


@on_the_loop
async def test_a_link_leads_where_it_led_in_the_message_until_it_expires() -> None:
    desk = Desk()
    link = desk.kept("https://a.test/?q=é#x")
    assert await desk.links.follow(link.code, is_click=False) == "https://a.test/?q=é#x"
    assert await desk.links.follow("x" * CODE_LENGTH, is_click=True) is None
    desk.clock.now = link.expires
    assert await desk.links.follow(link.code, is_click=True) is None
    await ripple()
    assert await desk.clicks(link) == 0


@on_the_loop
async def test_clicks_are_counted_beside_the_answer_and_many_by_one_write() -> None:
    desk = Desk()
    link = desk.kept()
    desk.store.gate.clear()
    for _ in range(5):
        assert await desk.links.follow(link.code, is_click=True)
        await ripple()
    assert await desk.links.follow(link.code, is_click=False)
    assert (await desk.clicks(link), desk.store.writes) == (0, 1)
    desk.store.gate.set()
    await ripple()
    assert (await desk.clicks(link), desk.store.writes) == (5, 2)


@on_the_loop
async def test_clicks_wait_while_the_store_is_away() -> None:
    desk = Desk()
    link = desk.kept()
    desk.store.failures = [Unavailable("away")]
    for _ in range(2):
        await desk.links.follow(link.code, is_click=True)
        await ripple()
    assert await desk.clicks(link) == 2
    desk.store.failures = [InDoubt("gone")]
    await desk.links.follow(link.code, is_click=True)
    await ripple()
    await desk.links.follow(link.code, is_click=True)
    await ripple()
    assert await desk.clicks(link) == 3


@on_the_loop
async def test_a_stop_counts_what_was_clicked() -> None:
    desk = Desk()
    link = desk.kept()
    desk.store.failures = [Unavailable("away")]
    await desk.links.follow(link.code, is_click=True)
    await desk.links.close()
    assert await desk.clicks(link) == 1
    await desk.links.close()
    assert await desk.clicks(link) == 1

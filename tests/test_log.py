"""The log: a line an event, for people or for machines."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator

import pytest
import structlog

from adapters.log import configure


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    yield
    structlog.reset_defaults()


def test_for_machines_an_event_is_one_json_line_with_its_time_in_utc() -> None:
    stream = io.StringIO()
    configure("json", stream=stream).warning("store_unavailable", device="d", why="two\nlines, é")
    (line,) = stream.getvalue().splitlines()
    read = json.loads(line)
    assert read.pop("timestamp").endswith("Z")
    assert read == {"event": "store_unavailable", "level": "warning", "device": "d", "why": "two\nlines, é"}


def test_for_people_it_is_one_line_with_colours_only_on_a_terminal() -> None:
    stream, terminal = io.StringIO(), Terminal()
    configure("text", stream=stream).error("worker_failed", device="d", why="two\nlines")
    (line,) = stream.getvalue().splitlines()
    assert "worker_failed" in line and "device=d" in line and "error" in line
    assert "\x1b" not in line
    configure("text", stream=terminal).error("worker_failed", device="d")
    assert "\x1b" in terminal.getvalue()


@pytest.mark.parametrize("style", ["text", "json"])
def test_what_is_only_for_debugging_is_not_written(style: str) -> None:
    stream = io.StringIO()
    log = configure(style, stream=stream)
    log.debug("detail")
    assert stream.getvalue() == ""
    log.info("ready")
    assert "ready" in stream.getvalue()


def test_it_goes_to_standard_error(capsys: pytest.CaptureFixture[str]) -> None:
    configure("json").info("ready")
    captured = capsys.readouterr()
    assert (captured.out, json.loads(captured.err)["event"]) == ("", "ready")

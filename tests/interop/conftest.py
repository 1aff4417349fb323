"""Real foreign clients against a real gateway. They run with INTEROP=1 only; then nothing may be skipped."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from install import install
from running_server import RunningServer, running

HERE = Path(__file__).parent
_SKIPPED = pytest.mark.skip(reason="foreign clients run with INTEROP=1 (as root, what they need is installed then)")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if os.environ.get("INTEROP") == "1":
        return
    for item in items:
        if item.path.is_relative_to(HERE):
            item.add_marker(_SKIPPED)


@pytest.fixture(scope="session", autouse=True)
def installed(request: pytest.FixtureRequest) -> None:
    with request.config.pluginmanager.getplugin("capturemanager").global_and_fixture_disabled():
        install(print)


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    with running(tmp_path_factory.mktemp("data")) as server:
        yield server

"""kill -9 of a server under load, twice for each engine: what was promised is kept. bench/kill9.py does it twenty times.

The moment of the kill differs from run to run; that nothing is lost or doubled may not depend on it.
"""

from __future__ import annotations

import random
import tempfile
from pathlib import Path

import pytest

from bench.kill9 import Crashes, Kill
from bench.places import ENGINES, fresh

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("engine", ENGINES)
def test_what_a_caller_was_promised_survives_a_kill(engine: str) -> None:
    # not tmp_path: another pytest that starts closes that to all but its own user, and PostgreSQL runs as another when we are root
    with tempfile.TemporaryDirectory() as under, fresh(engine, under=Path(under)) as place:
        crashes = Crashes(place=place, dice=random.Random(engine))
        for kill in (Kill(moment="answered", with_children=True), Kill(moment="on_air", with_children=False)):
            assert crashes.round(kill)["seen"]

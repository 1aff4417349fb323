"""Phones, networks and the server fail together, for some seconds: nothing is lost, nothing sent twice. bench/phones.py does it for minutes.

What is killed when differs from run to run; that nothing is lost or doubled may not depend on it.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest

from bench.phones import Plan, Storm
from bench.places import ENGINES, fresh

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("engine", ENGINES)
def test_no_message_is_lost_or_sent_twice_whatever_dies(engine: str) -> None:
    # not tmp_path: another pytest that starts closes that to all but its own user, and PostgreSQL runs as another when we are root
    with tempfile.TemporaryDirectory() as under, fresh(engine, under=Path(under)) as place:
        plan = Plan(messages=90, rounds=2, most_s=60, patience_s=2, seed=len(engine), loses_a_phone=False)
        found = Storm(place=place, plan=plan).run()
        assert (found["accepted"], found["on_air_once"], found["outcome_unknown"]) == (90, 90, [])
        assert found["claimed_at_kills"], "no kill was between an offer and its acknowledgement"

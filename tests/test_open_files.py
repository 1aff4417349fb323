"""The limit of open files, in a process of its own, because a limit that was lowered stays low."""

from __future__ import annotations

import subprocess
import sys

import pytest

from adapters.open_files import files_for

_ASK = """
import resource, sys
from adapters.open_files import room_for
soft, hard, wanted = map(int, sys.argv[1:])
resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
class Log:
    def warning(self, event, **fields): print(event, fields["connections"], fields["wanted"])
print(room_for(wanted, Log()), resource.getrlimit(resource.RLIMIT_NOFILE)[0])
"""


def ask(soft: int, hard: int, wanted: int) -> list[str]:
    command = [sys.executable, "-c", _ASK, str(soft), str(hard), str(wanted)]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout.splitlines()


@pytest.mark.parametrize(
    "soft, hard, wanted, said",
    [
        (2000, 4000, 1000, ["1000 2000"]),
        (256, 4000, 1000, ["1000 1401"]),
        (256, 1000, 1000, ["connections_limited 636 1000", "636 1000"]),
        (200, 200, 1000, ["connections_limited 10 1000", "10 200"]),
    ],
)
def test_the_limit_is_raised_as_far_as_it_is_needed_and_can_be(soft: int, hard: int, wanted: int, said: list[str]) -> None:
    assert ask(soft, hard, wanted) == said


def test_the_fewer_connections_fit() -> None:
    assert files_for(636) <= 1000

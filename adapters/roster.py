"""Which workers of one account may have room, so that who is to be woken is found among a few and not among ten thousand.

They are kept by the lanes of the pool that they look into, the one that was looked at longest ago first. A worker is put here when it may
have room; that it has none, or looks into other lanes by now, is noticed when it is looked at. So a choice costs the same however many
there are, and with up to MOST of a kind it is the best of all.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from adapters.device_worker import Worker

MOST = 16
"""how many of a kind are compared; the best of so many is hardly ever a bad one"""

Lanes = frozenset[int]


@dataclass(slots=True)
class Roster:
    _by_lanes: dict[Lanes, dict[str, Worker]] = field(default_factory=dict)
    _lanes: dict[str, Lanes] = field(default_factory=dict)

    def __bool__(self) -> bool:
        """Whether any may have room."""
        return bool(self._lanes)

    def put(self, worker: Worker) -> None:
        """It may have room."""
        id, lanes = worker.driver.device.id, worker.lanes
        if self._lanes.get(id) != lanes:
            self.drop(worker)
            if lanes:
                self._lanes[id] = lanes
                self._by_lanes.setdefault(lanes, {})[id] = worker

    def drop(self, worker: Worker) -> None:
        id = worker.driver.device.id
        lanes = self._lanes.pop(id, None)
        if lanes is not None:
            group = self._by_lanes[lanes]
            del group[id]
            if not group:
                del self._by_lanes[lanes]

    def some(self, is_wanted: Callable[[Lanes], bool], *, but: Worker | None = None) -> list[Worker]:
        """Of those whose lanes are wanted, a few that have room; none only where none has."""
        kinds = [lanes for lanes in self._by_lanes if is_wanted(lanes)]
        return [worker for lanes in kinds for worker in self._some(lanes, but)]

    def _some(self, lanes: Lanes, but: Worker | None) -> list[Worker]:
        while group := self._by_lanes.get(lanes):
            seen = list(islice(group.values(), MOST))
            standing = [worker for worker in seen if self._stands(worker, lanes)]
            found = [worker for worker in standing if worker is not but]
            if found or len(standing) == len(seen):
                if len(group) > MOST:
                    for worker in standing:
                        id = worker.driver.device.id
                        group[id] = group.pop(id)
                return found
        return []

    def _stands(self, worker: Worker, lanes: Lanes) -> bool:
        if worker.room > 0 and worker.lanes == lanes:
            return True
        if worker.room > 0:
            self.put(worker)
        else:
            self.drop(worker)
        return False

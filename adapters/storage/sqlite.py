"""SQLite, the default: a file, one writing process, readers in this one. sqlite_writer.py is the other end of the socket.

A commit is on disk (WAL, synchronous=FULL). Only one server may use a file: a lock on FILE.lock says so, which the writing process
holds too, so that a new server cannot start before the last batch of a killed one is finished.
"""

from __future__ import annotations

import asyncio
import fcntl
import marshal
import os
import socket
import sqlite3
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, create_engine
from sqlalchemy.dialects.sqlite.pysqlite import dialect

import adapters
from adapters.storage.batches import Batches, Log, Operation, Outcome
from adapters.storage.migrating import migrate
from adapters.storage.sqlite_run import RawStatement, Runner, open_for_reading, what_is_wrong
from adapters.storage.sqlite_writer import LENGTH
from adapters.storage.statements import compiled
from adapters.storage.transactions import OPERATIONS
from service import errors
from service.errors import InDoubt, Unavailable

OLDEST = (3, 35)
"""RETURNING"""
LOCK_WAIT_S = 5.0
START_WAIT_S = 10.0
STOP_WAIT_S = 10.0
_SLOW = frozenset({"sent"})
"""reads that may take long; all others are shorter than the way to a thread and back"""

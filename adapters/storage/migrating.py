"""Brings a database to the tables of this version, by the revisions in migrations/versions/. Runs when a store is opened."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection

from service.errors import Unavailable


def migrate(connection: Connection) -> None:
    """In the caller's transaction. Raises Unavailable when the database was written by a newer version."""
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).with_name("migrations")).replace("%", "%%"))
    config.attributes["connection"] = connection
    known = {revision.revision for revision in ScriptDirectory.from_config(config).walk_revisions()}
    found = MigrationContext.configure(connection).get_current_heads()
    unknown = sorted(set(found) - known)
    if unknown:
        raise Unavailable(f"the database was written by a newer version of dragoman (its tables are at {unknown[0]}): upgrade dragoman")
    command.upgrade(config, "head")

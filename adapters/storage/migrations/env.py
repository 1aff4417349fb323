"""What Alembic runs for each command: always on the connection that it is handed, see adapters/storage/migrating.py."""

from __future__ import annotations

from alembic import context

from adapters.storage.schema import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    # SQLite cannot alter a table: Alembic makes a new one and copies
    render_as_batch=True,
)
context.run_migrations()

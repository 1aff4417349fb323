"""The statements about short links and sealed texts."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Executable, Table, bindparam, delete, insert, select, update

from adapters.storage import schema

LINK_COLUMNS = tuple("".join(c.name) for c in schema.links.c)
SEALED_COLUMNS = tuple("".join(c.name) for c in schema.sealed.c)


def linking() -> dict[str, Executable]:
    clicks = schema.links.c.clicks
    return {
        "insert_link": insert(schema.links).values({c.name: bindparam(c.name, type_=c.type) for c in schema.links.c}),
        "insert_sealed": insert(schema.sealed).values({c.name: bindparam(c.name, type_=c.type) for c in schema.sealed.c}),
        "find_link": _find(schema.links),
        "find_sealed": _find(schema.sealed),
        "count_clicks": update(schema.links)
        .values(clicks=clicks + bindparam("count", type_=clicks.type))
        .where(schema.links.c.code == bindparam("code", type_=schema.links.c.code.type)),
        "forget_links": _forget(schema.links),
        "forget_sealed": _forget(schema.sealed),
    }


def _find(table: Table) -> Executable:
    return select(*table.c).where(table.c.code == bindparam("code", type_=table.c.code.type))


def _forget(table: Table) -> Executable:
    ended: Any = table.c.expires <= bindparam("now", type_=table.c.expires.type)
    return delete(table).where(table.c.code.in_(select(table.c.code).where(ended).limit(bindparam("limit")))).returning(table.c.code)

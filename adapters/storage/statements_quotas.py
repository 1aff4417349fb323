"""The statements about what was used of quotas; a part of statements.py."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Executable, bindparam, update

from adapters.storage import schema


def statements(upsert: Any) -> dict[str, Executable]:
    c = schema.quota_uses.c
    subject = bindparam("subject", type_=c.subject.type)
    # a row that is not there cannot be locked, and one that is only read is not
    looked = upsert(schema.quota_uses).values(subject=subject, uses="")
    return {
        "uses": looked.on_conflict_do_update(index_elements=[c.subject], set_={"uses": c.uses}).returning(c.uses),
        "keep_uses": update(schema.quota_uses).values(uses=bindparam("uses", type_=c.uses.type)).where(c.subject == subject),
    }

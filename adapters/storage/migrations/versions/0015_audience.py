"""The opt-out ledger with its history, what handsets are answered, sender codes, contacts, campaigns."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"

_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_LOCK = 0x6F70746F7574
"""as postgres_lock.OPTOUT_LOCK"""


def upgrade() -> None:
    op.add_column("messages", sa.Column("sender", sa.Text(), nullable=True, comment="The sender code that it goes by; null for none."))
    _ledger()
    _replies()
    op.create_table(
        "sender_codes",
        sa.Column("id", _ID, nullable=False, comment="Given by the store."),
        sa.Column("account_id", _ID, nullable=False, comment="Whose it is."),
        sa.Column("code", sa.Text(), nullable=False, comment="A short code or number, as messages and opt-outs name it."),
        sa.Column("label", sa.Text(), nullable=False, comment="What its owner calls it."),
        sa.Column("sims", sa.Text(), nullable=False, comment="Which devices and slots have it, as JSON; none for any device."),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.id"], name="fk_sender_codes_account_id"),
        sa.PrimaryKeyConstraint("id", name="pk_sender_codes"),
        comment="What messages go by and handsets answer to.",
    )
    op.create_index("ix_sender_codes_code", "sender_codes", ["account_id", "code"], unique=True)
    _audience()
    _campaigns()
    if op.get_context().dialect.name == "postgresql":
        op.execute(_LOOK)


_LOOK = f"""
CREATE FUNCTION opted_out_among(ids bigint[], accounts bigint[], recipients text[], senders text[])
RETURNS TABLE (message_id bigint, recipient text) LANGUAGE plpgsql VOLATILE AS $$ BEGIN
    PERFORM pg_advisory_xact_lock_shared({_LOCK});
    RETURN QUERY SELECT given.id, optouts.number
    FROM unnest(ids, accounts, recipients, senders) AS given (id, account_id, number, sender)
    JOIN optouts ON optouts.account_id = given.account_id AND optouts.number = given.number
    WHERE optouts.code = '' OR given.sender IS NULL OR optouts.code = given.sender;
END $$
"""


def _ledger() -> None:
    source, by = "service.optouts.Source.", "The device, the key or the person, where known."
    op.create_table(
        "optouts",
        sa.Column("account_id", sa.BigInteger(), autoincrement=False, nullable=False, comment="Whose messages are not wanted."),
        sa.Column("number", sa.Text(), nullable=False, comment="Who does not want them."),
        sa.Column("code", sa.Text(), nullable=False, comment="By which sender code; empty for all."),
        sa.Column("source", sa.Text(), nullable=False, comment=source),
        sa.Column("by", sa.Text(), nullable=False, comment=by),
        sa.Column("at", sa.BigInteger(), nullable=False, comment="Since when."),
        sa.PrimaryKeyConstraint("account_id", "number", "code", name="pk_optouts"),
        comment="Who is not written to now; each accepted message looks here.",
        sqlite_with_rowid=False,
    )
    op.create_table(
        "optout_history",
        sa.Column("id", _ID, nullable=False, comment="Given by the store, growing."),
        sa.Column("account_id", sa.BigInteger(), nullable=False, comment="Whose messages."),
        sa.Column("number", sa.Text(), nullable=False, comment="Who opted out or in."),
        sa.Column("code", sa.Text(), nullable=False, comment="Of which sender code; empty for all."),
        sa.Column("is_out", sa.Boolean(), nullable=False, comment="Whether it was out, or in again."),
        sa.Column("source", sa.Text(), nullable=False, comment=source),
        sa.Column("by", sa.Text(), nullable=False, comment=by),
        sa.Column("at", sa.BigInteger(), nullable=False, comment="When."),
        sa.PrimaryKeyConstraint("id", name="pk_optout_history"),
        comment="Every change of optouts; rows are only added.",
    )
    op.create_index("ix_optout_history_account", "optout_history", ["account_id", "id"])
    op.create_index("ix_optout_history_number", "optout_history", ["account_id", "number", "id"])


def _replies() -> None:
    word = "service.optouts.Word."
    op.create_table(
        "replies",
        sa.Column("account_id", sa.BigInteger(), autoincrement=False, nullable=False, comment="Who answers."),
        sa.Column("word", sa.Text(), nullable=False, comment=word),
        sa.Column("text", sa.Text(), nullable=False, comment="What."),
        sa.PrimaryKeyConstraint("account_id", "word", name="pk_replies"),
        comment="What handsets are answered to words such as STOP and HELP.",
    )
    op.create_table(
        "replied",
        sa.Column("account_id", sa.BigInteger(), autoincrement=False, nullable=False, comment="Who answered."),
        sa.Column("number", sa.Text(), nullable=False, comment="Whom."),
        sa.Column("word", sa.Text(), nullable=False, comment=word),
        sa.Column("at", sa.BigInteger(), nullable=False, comment="When last."),
        sa.PrimaryKeyConstraint("account_id", "number", "word", name="pk_replied"),
        comment="So that nobody is answered twice a day.",
        sqlite_with_rowid=False,
    )


def _audience() -> None:
    op.create_table(
        "contacts",
        sa.Column("id", _ID, nullable=False, comment="Given by the store."),
        sa.Column("account_id", _ID, nullable=False, comment="Whose it is."),
        sa.Column("number", sa.Text(), nullable=False, comment="E.164 or a short code."),
        sa.Column("name", sa.Text(), nullable=False, comment="What it is called."),
        sa.Column("fields", sa.Text(), nullable=False, comment="What else is noted, as JSON."),
        sa.Column("created", sa.BigInteger(), nullable=False, comment="When it was first kept."),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.id"], name="fk_contacts_account_id"),
        sa.PrimaryKeyConstraint("id", name="pk_contacts"),
        comment="Whom an account may write to.",
    )
    op.create_table(
        "contact_groups",
        sa.Column("id", _ID, nullable=False, comment="Given by the store."),
        sa.Column("account_id", _ID, nullable=False, comment="Whose it is."),
        sa.Column("name", sa.Text(), nullable=False, comment="What it is called."),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.id"], name="fk_contact_groups_account_id"),
        sa.PrimaryKeyConstraint("id", name="pk_contact_groups"),
        comment="Groups of subscribers.",
    )
    op.create_table(
        "subscriptions",
        sa.Column("id", _ID, nullable=False, comment="Given by the store."),
        sa.Column("account_id", _ID, nullable=False, comment="Whose it is."),
        sa.Column("contact_id", sa.BigInteger(), nullable=False, comment="Who."),
        sa.Column("code_id", sa.BigInteger(), nullable=False, comment="By which sender code."),
        sa.Column("group_id", sa.BigInteger(), nullable=False, comment="In which group; 0 for none."),
        sa.Column("created", sa.BigInteger(), nullable=False, comment="Since when."),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.id"], name="fk_subscriptions_account_id"),
        sa.PrimaryKeyConstraint("id", name="pk_subscriptions"),
        comment="Who is written to by which sender code.",
    )
    op.create_table(
        "stored_texts",
        sa.Column("id", _ID, nullable=False, comment="Given by the store."),
        sa.Column("account_id", _ID, nullable=False, comment="Whose it is."),
        sa.Column("name", sa.Text(), nullable=False, comment="What it is called."),
        sa.Column("text", sa.Text(), nullable=False, comment="What it says."),
        sa.Column("created", sa.BigInteger(), nullable=False, comment="When it was kept."),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.id"], name="fk_stored_texts_account_id"),
        sa.PrimaryKeyConstraint("id", name="pk_stored_texts"),
        comment="Texts to be sent again.",
    )
    op.create_index("ix_contacts_number", "contacts", ["account_id", "number"], unique=True)
    op.create_index("ix_contact_groups_name", "contact_groups", ["account_id", "name"], unique=True)
    op.create_index("ix_subscriptions_code", "subscriptions", ["code_id", "contact_id", "group_id"], unique=True)
    op.create_index("ix_subscriptions_contact", "subscriptions", ["account_id", "contact_id"])
    op.create_index("ix_stored_texts_name", "stored_texts", ["account_id", "name"], unique=True)


def _campaigns() -> None:
    op.create_table(
        "campaigns",
        sa.Column("id", _ID, nullable=False, comment="Given by the store."),
        sa.Column("account_id", _ID, nullable=False, comment="Whose it is."),
        sa.Column("key_id", sa.BigInteger(), nullable=False, comment="Which API key began it."),
        sa.Column("api", sa.Text(), nullable=False, comment="Which API it came by."),
        sa.Column("name", sa.Text(), nullable=False, comment="What it is called."),
        sa.Column("text", sa.Text(), nullable=False, comment="What it says."),
        sa.Column("code_id", sa.BigInteger(), nullable=False, comment="Whose subscribers."),
        sa.Column("code", sa.Text(), nullable=False, comment="By which sender code."),
        sa.Column("sims", sa.Text(), nullable=False, comment="Which devices and slots send it, as JSON; none for any device."),
        sa.Column("group_id", sa.BigInteger(), nullable=False, comment="Only this group; 0 for all."),
        sa.Column("validity_s", sa.Integer(), nullable=False, comment="How long each message may wait."),
        sa.Column("state", sa.Text(), nullable=False, comment="service.campaigns.CampaignState."),
        sa.Column("planned", sa.Integer(), nullable=False, comment="Subscribers when it began."),
        sa.Column("queued", sa.Integer(), nullable=False, server_default="0", comment="Messages made."),
        sa.Column("opted_out", sa.Integer(), nullable=False, server_default="0", comment="Left out because they had opted out."),
        sa.Column("cursor", sa.BigInteger(), nullable=False, server_default="0", comment="All contacts up to this id have been seen to."),
        sa.Column("created", sa.BigInteger(), nullable=False, comment="When it began."),
        sa.Column("changed", sa.BigInteger(), nullable=False, comment="When it last came on."),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.id"], name="fk_campaigns_account_id"),
        sa.PrimaryKeyConstraint("id", name="pk_campaigns"),
        comment="One text to many; see service.campaigns.",
    )
    op.create_table(
        "campaign_messages",
        sa.Column("campaign_id", sa.BigInteger(), autoincrement=False, nullable=False, comment="Which campaign."),
        sa.Column("message_id", sa.BigInteger(), autoincrement=False, nullable=False, comment="One of its messages."),
        sa.PrimaryKeyConstraint("campaign_id", "message_id", name="pk_campaign_messages"),
        comment="Which messages a campaign has made.",
        sqlite_with_rowid=False,
    )
    running = sa.text("state = 'running'")
    op.create_index("ix_campaigns_account", "campaigns", ["account_id", "id"])
    op.create_index("ix_campaigns_running", "campaigns", ["id"], sqlite_where=running, postgresql_where=running)


def downgrade() -> None:
    raise NotImplementedError("restore the backup that was made before the upgrade")

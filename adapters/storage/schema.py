"""The tables, for both engines, a sentence for each column. What runs on them is in statements.py; how they change, in migrations/.

Times are milliseconds since 1970, UTC. Growing tables have a time-ordered 63-bit `id` and no unique constraint that lacks it, so that
new rows go to the end of the tree and a later partitioning by time changes no key. They have no foreign keys either: accounts
and keys are never deleted while they have messages, a device's messages outlive it, and on PostgreSQL each check would lock the
account's row for each message.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ColumnElement,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    false,
    text,
)

metadata = MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "uq": "uq_%(table_name)s_%(column_0_name)s",
    }
)

_Id = BigInteger().with_variant(Integer, "sqlite")
"""SQLite makes a column its row number only if it is called INTEGER"""

accounts = Table(
    "accounts",
    metadata,
    Column("id", _Id, primary_key=True, comment="Given by the store."),
    Column("name", Text, nullable=False, unique=True, comment="What people call it."),
    Column("default_country", Text, comment="ISO 3166 alpha-2 of numbers without a country code."),
    Column("time_zone", Text, nullable=False, comment="IANA name."),
    Column("validity_s", Integer, nullable=False, comment="How long a message may wait when its submit does not say."),
    Column("trial_limit", Integer, comment="Messages that a trial may send; null for a regular account."),
    Column("trial_sent", Integer, nullable=False, server_default="0", comment="Messages that a trial has used."),
    Column("resend_unknown", Boolean, nullable=False, comment="Whether a message of unknown outcome is sent again by itself."),
    Column(
        "sticky",
        Boolean,
        nullable=False,
        server_default=false(),
        comment="Whether a recipient hears from the same device again where that is possible.",
    ),
    Column("quotas", Text, comment="How much may be accepted, as JSON: service.quotas.AccountQuotas; null for any number."),
    comment="Who owns keys, devices and messages.",
)

api_keys = Table(
    "api_keys",
    metadata,
    Column("id", _Id, primary_key=True, comment="Given by the store."),
    Column("account_id", _Id, ForeignKey("accounts.id"), nullable=False, comment="Whom it speaks for."),
    Column("label", Text, nullable=False, comment="What its owner calls it."),
    Column("digest", LargeBinary, nullable=False, unique=True, comment="SHA-256 of the secret."),
    Column("scopes", Integer, nullable=False, comment="Bits of service.accounts.Scope."),
    Column("expires", BigInteger, comment="When it ends; null for never."),
    Column(
        "networks", Text, nullable=False, server_default="", comment="From where it may be used, CIDR, spaces between; empty for anywhere."
    ),
    Column("client_id", Text, comment="The public name of an OAuth2 client; null for an API key."),
    Column("created", BigInteger, comment="When it was made; null when nobody has noted it."),
    Column("used", BigInteger, comment="When it was last used, to about a minute."),
    Column("former_digest", LargeBinary, comment="SHA-256 of the secret before the last rotation."),
    Column("former_ends", BigInteger, comment="Until when that one works."),
    Column("revoked", BigInteger, comment="When it was ended for good; null while it works."),
    Column("quotas", Text, comment="How much may be accepted from its callers, as JSON: service.quotas.Quotas; null for any number."),
    comment="Secrets that speak for an account.",
)

tokens = Table(
    "tokens",
    metadata,
    Column("digest", LargeBinary, primary_key=True, comment="SHA-256 of the token."),
    Column("key_id", _Id, ForeignKey("api_keys.id"), nullable=False, comment="The OAuth2 client that got it."),
    Column("scopes", Integer, nullable=False, comment="Bits of service.accounts.Scope."),
    Column("created", BigInteger, nullable=False, comment="When it was given."),
    Column("expires", BigInteger, nullable=False, comment="When it ends."),
    comment="Access tokens of OAuth2 clients; those that have ended are deleted.",
    sqlite_with_rowid=False,
)

devices = Table(
    "devices",
    metadata,
    Column("id", Text, primary_key=True, comment="16 lowercase hex."),
    Column("account_id", _Id, ForeignKey("accounts.id"), nullable=False, comment="Whose it is."),
    Column("kind", Text, nullable=False, comment="Which driver speaks to it."),
    Column("label", Text, nullable=False, comment="What its owner calls it."),
    Column("phone_number", Text, comment="Its own number, where known."),
    Column("sims", Integer, nullable=False, comment="How many SIM slots it has."),
    Column("time_zone", Text, comment="IANA name, when it told one."),
    Column("whatsapp", Boolean, nullable=False, server_default=false(), comment="Whether it can send WhatsApp messages."),
    Column(
        "sync_sent", Boolean, nullable=False, server_default=false(), comment="Whether what it reports as sent is listed for its account."
    ),
    Column(
        "config", Text, nullable=False, server_default="{}", comment="What its driver needs to know to find it, as JSON; nothing secret."
    ),
    Column("limits", Text, nullable=False, server_default="{}", comment="What it may put out and when, as JSON: service.limits.Limits."),
    Column(
        "cards", Text, nullable=False, server_default="[]", comment="What the operator says of its SIMs, as JSON: slot, number, limits."
    ),
    comment="What can put messages on the air.",
)

messages = Table(
    "messages",
    metadata,
    Column("id", _Id, primary_key=True, autoincrement=False, comment="42 bits of milliseconds, 21 of sequence; also within the guid."),
    Column("guid", Text, nullable=False, comment="The public id, 40 hex; found by the id within it, so it has no index."),
    Column("account_id", BigInteger, nullable=False, comment="Whose it is."),
    Column("key_id", BigInteger, nullable=False, comment="Which API key sent it."),
    Column("api", Text, nullable=False, comment="Which API it came by."),
    Column("recipient", Text, nullable=False, comment="E.164 or a short code."),
    Column("text", Text, nullable=False, comment="What it says."),
    Column("segments", Integer, nullable=False, comment="How many radio messages it takes."),
    Column("status", Text, nullable=False, comment="service.lifecycle.Status; in no index, so that PostgreSQL can update rows in place."),
    Column("created", BigInteger, nullable=False, comment="When it was accepted or refused."),
    Column("due", BigInteger, comment="The earliest time of the next try; null unless it waits."),
    Column("expires", BigInteger, nullable=False, comment="When it has waited too long."),
    Column("wanted_device", Text, comment="The device that it asked for."),
    Column("wanted_sim", Integer, nullable=False, server_default="0", comment="The SIM slot that it asked for; 0 for any."),
    # messages by WhatsApp have queues of their own, whose names end in -wa: that is where their channel is kept
    Column("queue", Text, nullable=False, comment="Where it waits: a device, or an account's pool."),
    Column("device", Text, comment="The device that sent it or is sending it."),
    Column("device_message_id", Text, comment="What that device calls it."),
    Column("attempts", Integer, nullable=False, server_default="0", comment="How often it was claimed."),
    Column("sent", BigInteger, comment="When a device took it."),
    Column("finished", BigInteger, comment="When it was delivered, failed, expired or cancelled."),
    Column("refusal", Text, comment="Why we refused it; such a message was never queued."),
    Column("error", Text, comment="What the device said when it last failed."),
    Column("leased_until", BigInteger, comment="Until when nobody else may send it; null unless it is being sent."),
    Column("leased_by", Text, comment="Which process is sending it."),
    Column("resends", Integer, nullable=False, server_default="0", comment="How often it was sent again because somebody asked."),
    Column("taken", BigInteger, comment="When the device acknowledged it; null unless it is being sent and only its report is awaited."),
    Column("in_doubt", Boolean, nullable=False, server_default=false(), comment="Whether the device may have it and has not said so."),
    Column("sim", Integer, comment="The SIM slot that it was sent by; null where not known."),
    Column("failures", Integer, nullable=False, server_default="0", comment="How often a device said that it could not send it."),
    Column(
        "pinned_until", BigInteger, comment="Until when it waits for the device that its recipient is used to; null for any other message."
    ),
    Column("sender", Text, comment="The sender code that it goes by; null for none."),
    comment="MT messages and what became of them.",
)

received = Table(
    "received",
    metadata,
    Column("id", _Id, primary_key=True, autoincrement=False, comment="42 bits of milliseconds, 21 of sequence."),
    Column("account_id", BigInteger, nullable=False, comment="Whose it is."),
    Column("device", Text, nullable=False, comment="The device that received it."),
    Column("sim", Integer, comment="By which slot."),
    Column("sender", Text, nullable=False, comment="Who sent it."),
    Column("text", Text, nullable=False, comment="What it says."),
    Column("received", BigInteger, nullable=False, comment="When, by the device's clock."),
    Column("created", BigInteger, nullable=False, comment="When we kept it."),
    Column("device_message_id", Text, comment="What the device calls it."),
    Column(
        "guid", Text, nullable=False, server_default="", comment="The public id, a UUID; found by the id within it, so it has no index."
    ),
    Column("number", BigInteger, nullable=False, server_default="0", comment="Its place among all that the account received, from 1."),
    Column("offset_s", Integer, nullable=False, server_default="0", comment="How far the device's clock was from UTC then."),
    Column("is_read", Boolean, nullable=False, server_default=false(), comment="Whether its account has marked it as read."),
    Column("alias", Text, comment="What its account calls the sender."),
    Column("missing_parts", Integer, nullable=False, server_default="0", comment="How many of its parts never came."),
    comment="MO messages.",
)

inboxes = Table(
    "inboxes",
    metadata,
    Column("account_id", BigInteger, primary_key=True, autoincrement=False, comment="Whose it is."),
    Column("last", BigInteger, nullable=False, comment="The number of the newest message that the account received."),
    comment="Numbers the messages of each account; a deleted one's number is not given again.",
)

received_parts = Table(
    "received_parts",
    metadata,
    Column("device", Text, primary_key=True, comment="The device that received it."),
    Column("sender", Text, primary_key=True, comment="Who sent it."),
    Column("reference", Integer, primary_key=True, autoincrement=False, comment="What the parts of one message have in common."),
    Column("total", Integer, primary_key=True, autoincrement=False, comment="How many parts the message has."),
    Column("part", Integer, primary_key=True, autoincrement=False, comment="Which of them this is, from 1."),
    Column("account_id", BigInteger, nullable=False, comment="Whose it is."),
    Column("sim", Integer, comment="By which slot."),
    Column("text", Text, nullable=False, comment="What it says."),
    Column("received", BigInteger, nullable=False, comment="When, by the device's clock."),
    Column("offset_s", Integer, nullable=False, comment="How far that clock was from UTC."),
    Column("created", BigInteger, nullable=False, comment="When we kept it."),
    Column("device_message_id", Text, comment="What the device calls it."),
    comment="Parts of MO messages that are not whole yet.",
)

receptions = Table(
    "receptions",
    metadata,
    Column("device", Text, primary_key=True, comment="The device that received it."),
    Column("fingerprint", LargeBinary, primary_key=True, comment="SHA-256 of the device's own id of it, the sender and the text."),
    Column("received_id", BigInteger, nullable=False, comment="The row in received."),
    comment="Which receptions are kept already, so that a redelivery is known.",
    sqlite_with_rowid=False,
)

idempotency = Table(
    "idempotency",
    metadata,
    Column("account_id", BigInteger, primary_key=True, autoincrement=False, comment="Whose key it is."),
    # its SHA-256: it is half of what opens the receipt of a sealed message
    Column("key", Text, primary_key=True, comment="What the caller chose."),
    Column("fingerprint", LargeBinary, nullable=False, comment="SHA-256 of the first request."),
    Column("created", BigInteger, nullable=False, comment="When that was; it is replayed for 24 hours."),
    Column("receipt", Text, nullable=False, comment="Its answer, as JSON, without trial_sent."),
    Column("trial_sent", Integer, nullable=False, comment="What its answer said about the trial."),
    comment="Answers to be given again to callers that ask again.",
    sqlite_with_rowid=False,
)

links = Table(
    "links",
    metadata,
    Column("code", Text, primary_key=True, comment="The end of its address; unguessable."),
    Column("account_id", BigInteger, nullable=False, comment="Whose message it stands in."),
    Column("url", Text, nullable=False, comment="Where it leads, as it stood in the message."),
    Column("created", BigInteger, nullable=False, comment="When the message was accepted."),
    Column("expires", BigInteger, nullable=False, comment="When it leads nowhere any more and is erased."),
    Column("clicks", BigInteger, nullable=False, server_default="0", comment="How often it was followed."),
    comment="Short links in messages.",
    sqlite_with_rowid=False,
)

sealed = Table(
    "sealed",
    metadata,
    Column("code", Text, primary_key=True, comment="The end of its address; unguessable."),
    Column("account_id", BigInteger, nullable=False, comment="Whose message it is."),
    Column("box", LargeBinary, nullable=False, comment="The text, encrypted by AES-256-GCM under a key that is not kept."),
    Column("created", BigInteger, nullable=False, comment="When the message was accepted."),
    Column("expires", BigInteger, nullable=False, comment="When it is erased."),
    comment="Texts of sealed messages.",
    sqlite_with_rowid=False,
)

pulse = Table(
    "pulse",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False, comment="Always 1."),
    Column("beats", BigInteger, nullable=False, comment="How often it was asked whether we can commit."),
    comment="Written to learn whether the store can commit.",
)

webhooks = Table(
    "webhooks",
    metadata,
    Column("id", _Id, primary_key=True, comment="Given by the store."),
    Column("account_id", _Id, ForeignKey("accounts.id"), nullable=False, comment="Whose it is."),
    Column("url", Text, nullable=False, comment="What is called."),
    Column("format", Text, nullable=False, comment="How its calls look."),
    Column("types", Text, nullable=False, comment="Which events it wants, separated by spaces; they are in webhook_subscriptions too."),
    Column("created", BigInteger, nullable=False, comment="When it was added."),
    Column("secret", LargeBinary, comment="What its calls are signed with, sealed; null in a format that does not sign."),
    Column("next_secret", LargeBinary, comment="What they will be signed with, sealed; null unless the secret is being rotated."),
    Column("rotates", BigInteger, comment="When the next secret takes the place of the secret."),
    Column("state", Text, nullable=False, comment="service.events.WebhookState."),
    Column("why", Text, comment="Why it is paused."),
    Column("failures", Integer, nullable=False, server_default="0", comment="Tries that have failed since the last success."),
    Column("failing_since", BigInteger, comment="When the first of them was; null when the last try was a success."),
    Column("paused", BigInteger, comment="Since when it is paused."),
    Column("probe", BigInteger, comment="When it is tried again although it is paused."),
    Column("name", Text, comment="What its owner calls it; null where it has no name."),
    comment="URLs that are told of events.",
)

webhook_subscriptions = Table(
    "webhook_subscriptions",
    metadata,
    Column("account_id", BigInteger, primary_key=True, autoincrement=False, comment="Whose events."),
    Column("type", Text, primary_key=True, comment="service.events.EventType."),
    Column("webhook_id", BigInteger, primary_key=True, autoincrement=False, comment="Who wants them."),
    comment="What the triggers ask: who wants events of a type. An account without webhooks has no rows here.",
    sqlite_with_rowid=False,
)

# Rows about messages are written by triggers on messages and received (see the revisions), in the transaction of whatever changed those:
# no statement can forget it, and it costs an account without webhooks one look into webhook_subscriptions.
webhook_deliveries = Table(
    "webhook_deliveries",
    metadata,
    Column("id", _Id, primary_key=True, comment="Given by the store, growing: the order of a subject's events."),
    Column("webhook_id", BigInteger, nullable=False, comment="Who is told."),
    Column("account_id", BigInteger, nullable=False, comment="Whose event it is."),
    Column("type", Text, nullable=False, comment="service.events.EventType."),
    Column("subject", Text, nullable=False, comment="What it is about: the guid of a sent message, the id of a received one, a device."),
    Column("number", Text, nullable=False, server_default="", comment="The recipient, or the sender of a received message."),
    Column("text", Text, comment="What a received message says."),
    Column("device", Text, comment="The device that it is about."),
    Column("sim", Integer, comment="By which slot."),
    Column("error", Text, comment="Why the message failed."),
    Column("occurred", BigInteger, nullable=False, comment="When it became true; by the device's clock where that told."),
    Column("created", BigInteger, nullable=False, comment="When we learned of it."),
    Column("state", Text, nullable=False, server_default="waiting", comment="service.events.DeliveryState."),
    Column("attempts", Integer, nullable=False, server_default="0", comment="How often it was claimed."),
    Column("due", BigInteger, server_default="0", comment="When it is tried next, 0 for at once; while it is tried: the end of the lease."),
    Column("leased_by", Text, comment="Which process is trying it."),
    Column("finished", BigInteger, comment="When it was delivered or given up."),
    Column("status", Integer, comment="HTTP status of the last answer."),
    Column("answer", Text, comment="How the last answer began, or why there was none."),
    comment="Events on their way to webhooks.",
)

# The index itself has no table here: it is a virtual one on SQLite and has a column of its own kind on PostgreSQL, see revision 0009.
search_marks = Table(
    "search_marks",
    metadata,
    Column("kind", Text, primary_key=True, comment="sent or received."),
    Column("block", BigInteger, nullable=False, comment="The block that its last rows are in."),
    Column("upto_id", BigInteger, nullable=False, comment="The id up to which all its rows are in the index."),
    Column("rows", BigInteger, nullable=False, comment="How many rows were put into that block."),
    comment="How far the search index has come.",
)

search_blocks = Table(
    "search_blocks",
    metadata,
    Column("kind", Text, primary_key=True, comment="sent or received."),
    Column("number", BigInteger, primary_key=True, autoincrement=False, comment="Growing with the ids of its rows."),
    Column("after_id", BigInteger, nullable=False, comment="All its rows have greater ids."),
    comment="Runs of rows whose terms in the search index begin with the same number.",
    sqlite_with_rowid=False,
)

enrolments = Table(
    "enrolments",
    metadata,
    Column("digest", LargeBinary, primary_key=True, comment="SHA-256 of the token or code."),
    Column("account_id", _Id, ForeignKey("accounts.id"), nullable=False, comment="Which account it lets phones into."),
    Column("kind", Text, nullable=False, comment="service.invitations.Kind: a token for many phones, a code for one."),
    Column("label", Text, nullable=False, comment="What its owner calls it."),
    Column("created", BigInteger, nullable=False, comment="When it was made."),
    Column("expires", BigInteger, comment="When it ends; null for never."),
    comment="What lets phones join an account.",
    sqlite_with_rowid=False,
)

device_secrets = Table(
    "device_secrets",
    metadata,
    Column("device_id", Text, primary_key=True, comment="Whose they are."),
    Column("account_id", _Id, ForeignKey("accounts.id"), nullable=False, comment="Whose that device is."),
    Column("token_digest", LargeBinary, comment="SHA-256 of the token that the device shows with each call; null when it makes none."),
    Column("sealed", LargeBinary, nullable=False, comment="What its driver has to read back, JSON, sealed."),
    comment="Secrets of devices.",
    sqlite_with_rowid=False,
)

passwords = Table(
    "passwords",
    metadata,
    Column("account_id", _Id, ForeignKey("accounts.id"), primary_key=True, autoincrement=False, comment="Whose it is."),
    Column("hash", Text, nullable=False, comment="By argon2id, with its parameters and salt."),
    comment="With which a person logs in as an account.",
)

named_submits = Table(
    "named_submits",
    metadata,
    Column("account_id", BigInteger, primary_key=True, autoincrement=False, comment="Whose it is."),
    Column("name", Text, primary_key=True, comment="What its caller calls it."),
    Column("first_id", BigInteger, nullable=False, comment="The id of its first message, which tells when it was accepted."),
    Column("guids", Text, nullable=False, comment="Of its messages, JSON."),
    comment="Submits that their callers have named.",
    sqlite_with_rowid=False,
)

grants = Table(
    "grants",
    metadata,
    Column("digest", LargeBinary, primary_key=True, comment="SHA-256 of the secret."),
    Column("id", Text, nullable=False, comment="What the two secrets of a grant have in common."),
    Column("account_id", _Id, ForeignKey("accounts.id"), nullable=False, comment="Whom it speaks for."),
    Column("key_id", BigInteger, nullable=False, comment="The API key whose holder got it; 0 when it was got by the account's password."),
    Column("rights", Text, nullable=False, comment="What it is for, in the words of the API that gave it, spaces between."),
    Column("renews", Boolean, nullable=False, comment="Whether it gets another pair, and does nothing else."),
    Column("created", BigInteger, nullable=False, comment="When it was given."),
    Column("expires", BigInteger, nullable=False, comment="When it ends."),
    Column("lifetime_s", Integer, nullable=False, comment="How long the secret that is not for renewal lives."),
    comment="Secrets that programs have got for a while; those that have ended are deleted.",
    sqlite_with_rowid=False,
)

preferences = Table(
    "preferences",
    metadata,
    Column("account_id", _Id, ForeignKey("accounts.id"), primary_key=True, autoincrement=False, comment="Whose they are."),
    Column("phones", Text, nullable=False, comment="How its phones are to send, JSON."),
    Column("signing_key", LargeBinary, comment="What webhooks that are to be added are signed with, sealed; null to make one for each."),
    comment="What an account has decided for all its phones and webhooks.",
)

quota_uses = Table(
    "quota_uses",
    metadata,
    Column("subject", Text, primary_key=True, comment="Whose quota it is, and over how long."),
    Column("uses", Text, nullable=False, comment="What was accepted lately: TIME:COUNT, spaces between; at most 61 of them."),
    comment="What was used of quotas: a row for each account, key, number and device that has one, which bounds the table.",
    sqlite_with_rowid=False,
)

optouts = Table(
    "optouts",
    metadata,
    Column("account_id", BigInteger, primary_key=True, autoincrement=False, comment="Whose messages are not wanted."),
    Column("number", Text, primary_key=True, comment="Who does not want them."),
    Column("code", Text, primary_key=True, comment="By which sender code; empty for all."),
    Column("source", Text, nullable=False, comment="service.optouts.Source."),
    Column("by", Text, nullable=False, comment="The device, the key or the person, where known."),
    Column("at", BigInteger, nullable=False, comment="Since when."),
    comment="Who is not written to now; each accepted message looks here.",
    sqlite_with_rowid=False,
)

optout_history = Table(
    "optout_history",
    metadata,
    Column("id", _Id, primary_key=True, comment="Given by the store, growing."),
    Column("account_id", BigInteger, nullable=False, comment="Whose messages."),
    Column("number", Text, nullable=False, comment="Who opted out or in."),
    Column("code", Text, nullable=False, comment="Of which sender code; empty for all."),
    Column("is_out", Boolean, nullable=False, comment="Whether it was out, or in again."),
    Column("source", Text, nullable=False, comment="service.optouts.Source."),
    Column("by", Text, nullable=False, comment="The device, the key or the person, where known."),
    Column("at", BigInteger, nullable=False, comment="When."),
    comment="Every change of optouts; rows are only added.",
)

replies = Table(
    "replies",
    metadata,
    Column("account_id", BigInteger, primary_key=True, autoincrement=False, comment="Who answers."),
    Column("word", Text, primary_key=True, comment="service.optouts.Word."),
    Column("text", Text, nullable=False, comment="What."),
    comment="What handsets are answered to words such as STOP and HELP.",
)

replied = Table(
    "replied",
    metadata,
    Column("account_id", BigInteger, primary_key=True, autoincrement=False, comment="Who answered."),
    Column("number", Text, primary_key=True, comment="Whom."),
    Column("word", Text, primary_key=True, comment="service.optouts.Word."),
    Column("at", BigInteger, nullable=False, comment="When last."),
    comment="So that nobody is answered twice a day.",
    sqlite_with_rowid=False,
)

sender_codes = Table(
    "sender_codes",
    metadata,
    Column("id", _Id, primary_key=True, comment="Given by the store."),
    Column("account_id", _Id, ForeignKey("accounts.id"), nullable=False, comment="Whose it is."),
    Column("code", Text, nullable=False, comment="A short code or number, as messages and opt-outs name it."),
    Column("label", Text, nullable=False, comment="What its owner calls it."),
    Column("sims", Text, nullable=False, comment="Which devices and slots have it, as JSON; none for any device."),
    comment="What messages go by and handsets answer to.",
)

contacts = Table(
    "contacts",
    metadata,
    Column("id", _Id, primary_key=True, comment="Given by the store."),
    Column("account_id", _Id, ForeignKey("accounts.id"), nullable=False, comment="Whose it is."),
    Column("number", Text, nullable=False, comment="E.164 or a short code."),
    Column("name", Text, nullable=False, comment="What it is called."),
    Column("fields", Text, nullable=False, comment="What else is noted, as JSON."),
    Column("created", BigInteger, nullable=False, comment="When it was first kept."),
    comment="Whom an account may write to.",
)

contact_groups = Table(
    "contact_groups",
    metadata,
    Column("id", _Id, primary_key=True, comment="Given by the store."),
    Column("account_id", _Id, ForeignKey("accounts.id"), nullable=False, comment="Whose it is."),
    Column("name", Text, nullable=False, comment="What it is called."),
    comment="Groups of subscribers.",
)

subscriptions = Table(
    "subscriptions",
    metadata,
    Column("id", _Id, primary_key=True, comment="Given by the store."),
    Column("account_id", _Id, ForeignKey("accounts.id"), nullable=False, comment="Whose it is."),
    Column("contact_id", BigInteger, nullable=False, comment="Who."),
    Column("code_id", BigInteger, nullable=False, comment="By which sender code."),
    Column("group_id", BigInteger, nullable=False, comment="In which group; 0 for none."),
    Column("created", BigInteger, nullable=False, comment="Since when."),
    comment="Who is written to by which sender code.",
)

stored_texts = Table(
    "stored_texts",
    metadata,
    Column("id", _Id, primary_key=True, comment="Given by the store."),
    Column("account_id", _Id, ForeignKey("accounts.id"), nullable=False, comment="Whose it is."),
    Column("name", Text, nullable=False, comment="What it is called."),
    Column("text", Text, nullable=False, comment="What it says."),
    Column("created", BigInteger, nullable=False, comment="When it was kept."),
    comment="Texts to be sent again.",
)

campaigns = Table(
    "campaigns",
    metadata,
    Column("id", _Id, primary_key=True, comment="Given by the store."),
    Column("account_id", _Id, ForeignKey("accounts.id"), nullable=False, comment="Whose it is."),
    Column("key_id", BigInteger, nullable=False, comment="Which API key began it."),
    Column("api", Text, nullable=False, comment="Which API it came by."),
    Column("name", Text, nullable=False, comment="What it is called."),
    Column("text", Text, nullable=False, comment="What it says."),
    Column("code_id", BigInteger, nullable=False, comment="Whose subscribers."),
    Column("code", Text, nullable=False, comment="By which sender code."),
    Column("sims", Text, nullable=False, comment="Which devices and slots send it, as JSON; none for any device."),
    Column("group_id", BigInteger, nullable=False, comment="Only this group; 0 for all."),
    Column("validity_s", Integer, nullable=False, comment="How long each message may wait."),
    Column("state", Text, nullable=False, comment="service.campaigns.CampaignState."),
    Column("planned", Integer, nullable=False, comment="Subscribers when it began."),
    Column("queued", Integer, nullable=False, server_default="0", comment="Messages made."),
    Column("opted_out", Integer, nullable=False, server_default="0", comment="Left out because they had opted out."),
    Column("cursor", BigInteger, nullable=False, server_default="0", comment="All contacts up to this id have been seen to."),
    Column("created", BigInteger, nullable=False, comment="When it began."),
    Column("changed", BigInteger, nullable=False, comment="When it last came on."),
    comment="One text to many; see service.campaigns.",
)

campaign_messages = Table(
    "campaign_messages",
    metadata,
    Column("campaign_id", BigInteger, primary_key=True, autoincrement=False, comment="Which campaign."),
    Column("message_id", BigInteger, primary_key=True, autoincrement=False, comment="One of its messages."),
    comment="Which messages a campaign has made.",
    sqlite_with_rowid=False,
)

_m = messages.c


def _index(name: str, *columns: Column[Any], where: ColumnElement[bool]) -> None:
    Index(name, *columns, sqlite_where=where, postgresql_where=where)


# A claim reads one range of this for each queue and SIM, and stops at its limit.
_index("ix_messages_waiting", _m.queue, _m.wanted_sim, _m.due, _m.id, where=_m.due.is_not(None))
# Costs a message 3 µs; without it `expire` reads all that wait, 10 to 200 ms for 200,000, and everybody waits for that.
_index("ix_messages_expiring", _m.expires, where=_m.due.is_not(None))
Index("ix_messages_account", _m.account_id, _m.id)
_index("ix_messages_reported", _m.device, _m.device_message_id, _m.id, where=_m.device_message_id.is_not(None))
_index("ix_messages_leased", _m.leased_until, where=_m.leased_until.is_not(None))
# What devices acknowledged and did not report on: only such rows, of devices that fetch their messages.
_index("ix_messages_taken", _m.device, _m.taken, _m.id, where=_m.taken.is_not(None))
_index("ix_messages_silent", _m.expires, where=_m.taken.is_not(None))
# What was sent, by when and to whom: only rows that have been, so that accepting a message pays for neither.
_index("ix_messages_sent", _m.account_id, _m.sent, _m.id, where=_m.sent.is_not(None))
_index("ix_messages_sent_to", _m.account_id, _m.recipient, _m.sent, _m.id, where=_m.sent.is_not(None))
Index("ix_optout_history_account", optout_history.c.account_id, optout_history.c.id)
Index("ix_optout_history_number", optout_history.c.account_id, optout_history.c.number, optout_history.c.id)
Index("ix_contacts_number", contacts.c.account_id, contacts.c.number, unique=True)
Index("ix_contact_groups_name", contact_groups.c.account_id, contact_groups.c.name, unique=True)
Index("ix_subscriptions_code", subscriptions.c.code_id, subscriptions.c.contact_id, subscriptions.c.group_id, unique=True)
Index("ix_subscriptions_contact", subscriptions.c.account_id, subscriptions.c.contact_id)
Index("ix_stored_texts_name", stored_texts.c.account_id, stored_texts.c.name, unique=True)
Index("ix_campaigns_account", campaigns.c.account_id, campaigns.c.id)
_index("ix_campaigns_running", campaigns.c.id, where=campaigns.c.state == text("'running'"))
Index("ix_sender_codes_code", sender_codes.c.account_id, sender_codes.c.code, unique=True)
_index("ix_messages_pinned", _m.pinned_until, where=_m.pinned_until.is_not(None))
Index("ix_received_account", received.c.account_id, received.c.id)
Index("ix_received_device", received.c.account_id, received.c.device, received.c.id)
Index("ix_received_unread", received.c.account_id, received.c.is_read, received.c.id)
Index("ix_received_from", received.c.account_id, received.c.sender, received.c.received, received.c.id)
Index("ix_received_when", received.c.account_id, received.c.received, received.c.id)
Index("ix_idempotency_created", idempotency.c.created)
Index("ix_links_expires", links.c.expires)
Index("ix_sealed_expires", sealed.c.expires)
Index("ix_api_keys_account", api_keys.c.account_id)
_clients = api_keys.c.client_id.is_not(None)
# partial, or PostgreSQL would think of it as a way to the many keys that have none
Index("ix_api_keys_client", api_keys.c.client_id, unique=True, sqlite_where=_clients, postgresql_where=_clients)
Index("ix_api_keys_former", api_keys.c.former_digest)
Index("ix_tokens_expires", tokens.c.expires)
Index("ix_webhooks_account", webhooks.c.account_id, webhooks.c.id)
_d = webhook_deliveries.c
# A claim reads one range of this and stops at its limit; what waits for an earlier event of its subject is moved out of its way.
_index("ix_webhook_deliveries_due", _d.webhook_id, _d.due, _d.id, where=_d.due.is_not(None))
_index("ix_webhook_deliveries_order", _d.webhook_id, _d.subject, _d.id, where=_d.due.is_not(None))
Index("ix_webhook_deliveries_webhook", _d.webhook_id, _d.id)
_index("ix_webhook_deliveries_finished", _d.state, _d.finished, where=_d.finished.is_not(None))
_i = enrolments.c
Index("ix_enrolments_account", _i.account_id, _i.kind)
_index("ix_enrolments_expires", _i.expires, where=_i.expires.is_not(None))
_told = device_secrets.c.token_digest.is_not(None)
Index("ix_device_secrets_token", device_secrets.c.token_digest, unique=True, sqlite_where=_told, postgresql_where=_told)
Index("ix_named_submits_first", named_submits.c.account_id, named_submits.c.first_id)
Index("ix_grants_id", grants.c.account_id, grants.c.id)
Index("ix_grants_expires", grants.c.expires)

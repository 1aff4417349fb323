"""The lock of the opt-out ledger on PostgreSQL, where several servers write.

Who accepts holds it shared from its look into the ledger to its commit, who changes the ledger alone: so a change waits for what is just
being accepted, sees it, and cancels it; and what is accepted later sees the change. SQLite has one writer and needs none.
"""

OPTOUT_LOCK = 0x6F70746F7574  # "optout"

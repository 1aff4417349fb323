"""Everything that may go wrong, named by whose fault it is.

`Refused`: the caller's submit or question cannot be honoured; each API words it in its own way, by class and `field`.
`SendFailed`: a device could not take a message; `permanent` decides whether there is another try.
`PostFailed`: a webhook could not be called.
Nothing here knows a status number or a vendor's code.
"""

from __future__ import annotations

from typing import ClassVar


class Refused(Exception):
    """The request is not honoured, and nothing of it was done.

    `kind` is the core's word for it, which the log keeps and each API translates; `guid` names the row of a refused send, if one was kept.
    """

    kind: ClassVar[str] = "refused"

    def __init__(self, why: str) -> None:
        super().__init__(why)
        self.why = why
        self.guid: str | None = None


class Invalid(Refused):
    """A field has a value that cannot be used. `field` is the core's name for it (see `messages.Submit`)."""

    kind = "invalid"

    def __init__(self, field: str, why: str) -> None:
        super().__init__(why)
        self.field = field


class Missing(Invalid):
    """A field that is needed is absent or empty."""

    kind = "missing"

    def __init__(self, field: str) -> None:
        super().__init__(field, "is required")


class InvalidRecipient(Invalid):
    """One of the recipients is not a number that can be sent to."""

    kind = "invalid_recipient"

    def __init__(self, recipient: str) -> None:
        super().__init__("recipients", f"{recipient!a} is not a phone number")
        self.recipient = recipient


class Unauthorized(Refused):
    """No key, a wrong one, or one that has ended."""


class KeyMissing(Unauthorized):
    kind = "key_missing"

    def __init__(self) -> None:
        super().__init__("an API key is required")


class KeyUnknown(Unauthorized):
    kind = "key_unknown"

    def __init__(self) -> None:
        super().__init__("the API key is not valid")


class KeyExpired(Unauthorized):
    kind = "key_expired"

    def __init__(self) -> None:
        super().__init__("the API key has expired")


class Forbidden(Refused):
    """The key is good but may not do this."""

    kind = "forbidden"


class ScopeMissing(Forbidden):
    """`scope` is what the key lacks."""

    def __init__(self, scope: str) -> None:
        super().__init__(f"the API key may not do this: it lacks the scope {scope}")
        self.scope = scope


class WrongNetwork(Forbidden):
    def __init__(self) -> None:
        super().__init__("the API key may not be used from this address")


class NotFound(Refused):
    """No such message or device, or it is another account's, which is the same to a caller."""

    kind = "not_found"


class WrongState(Refused):
    """The message is not in a state in which this can be done."""

    kind = "wrong_state"


class Conflict(Refused):
    """The same idempotency key came with another request."""

    kind = "conflict"


class OptedOut(Refused):
    """The recipient has asked not to be written to."""

    kind = "opted_out"

    def __init__(self, recipient: str) -> None:
        super().__init__(f"the recipient {recipient} has opted out")
        self.recipient = recipient
        self.args = (recipient,)
        """what it is made of again where it comes from another process"""


class QuotaExceeded(Refused):
    """A limit is reached. `retry_after_s` is None when waiting does not help.

    `quota` and `per` say which of service.quotas it is, whose limit is `most`; they are empty, and 0, for any other limit.
    """

    kind = "quota_exceeded"

    def __init__(self, why: str, retry_after_s: int | None = None, quota: str = "", per: str = "", most: int = 0) -> None:
        super().__init__(why)
        # a store in another process has only these to make it of again
        self.args = (why, retry_after_s, quota, per, most)
        self.retry_after_s = retry_after_s
        self.quota = quota
        self.per = per
        self.most = most

    def __str__(self) -> str:
        return self.why


class TooManyGuesses(QuotaExceeded):
    """A wrong key, after many wrong keys from the same address. A good one is never answered so."""


class Unavailable(Refused):
    """We cannot promise anything now; nothing was stored."""

    kind = "unavailable"


class InDoubt(Unavailable):
    """The store went away while it committed: whether the write is on disk is not known yet."""


class IdTaken(Exception):
    """Another process chose the same message id in the same millisecond; the caller makes new ids and tries again."""


class SendFailed(Exception):
    """A device did not take a message.

    permanent: another try cannot help (a bad number, a barred SIM).
    unknown:   the device may have it; only that device may be asked again, and only if it deduplicates. Else only a person or the
               account's policy may send it again.
    given_back: the device never had it, through no fault of the message: it waits again as it did before. The driver has said that
               the device is offline, or has waited for it; else it is offered the same message again at once.
    """

    def __init__(self, reason: str, *, permanent: bool = False, unknown: bool = False, given_back: bool = False) -> None:
        super().__init__(reason)
        self.reason = reason
        self.permanent = permanent
        self.unknown = unknown
        self.given_back = given_back


class PostFailed(Exception):
    """A webhook could not be called, or did not answer in time; the text says why, for the operator, without what was posted."""


class SealBroken(Exception):
    """What was sealed cannot be opened: another key, or it was altered."""

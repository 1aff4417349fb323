"""Everything that may go wrong, named by whose fault it is.

`Refused`: the caller's submit or question cannot be honoured; each API words it in its own way, by class and `field`.
`SendFailed`: a device could not take a message; `permanent` decides whether there is another try.
Nothing here knows a status number or a vendor's code.
"""

from __future__ import annotations


class Refused(Exception):
    """The request is not honoured, and nothing of it was done."""

    def __init__(self, why: str) -> None:
        super().__init__(why)
        self.why = why


class Invalid(Refused):
    """A field has a value that cannot be used. `field` is the core's name for it (see `messages.Submit`)."""

    def __init__(self, field: str, why: str) -> None:
        super().__init__(why)
        self.field = field


class Missing(Invalid):
    """A field that is needed is absent or empty."""

    def __init__(self, field: str) -> None:
        super().__init__(field, "is required")


class InvalidRecipient(Invalid):
    """One of the recipients is not a number that can be sent to."""

    def __init__(self, recipient: str) -> None:
        super().__init__("recipients", f"{recipient!a} is not a phone number")
        self.recipient = recipient


class Unauthorized(Refused):
    """No key, a wrong one, or one that has ended."""


class KeyMissing(Unauthorized):
    def __init__(self) -> None:
        super().__init__("an API key is required")


class KeyUnknown(Unauthorized):
    def __init__(self) -> None:
        super().__init__("the API key is not valid")


class KeyExpired(Unauthorized):
    def __init__(self) -> None:
        super().__init__("the API key has expired")


class Forbidden(Refused):
    """The key is good but may not do this."""


class NotFound(Refused):
    """No such message or device, or it is another account's, which is the same to a caller."""


class Conflict(Refused):
    """The same idempotency key came with another request."""


class OptedOut(Refused):
    """The recipient has asked not to be written to."""


class QuotaExceeded(Refused):
    """A limit is reached. `retry_after_s` is None when waiting does not help."""

    def __init__(self, why: str, retry_after_s: int | None = None) -> None:
        super().__init__(why)
        self.retry_after_s = retry_after_s


class Unavailable(Refused):
    """We cannot promise anything now; nothing was stored."""


class InDoubt(Unavailable):
    """The store went away while it committed: whether the write is on disk is not known yet."""


class IdTaken(Exception):
    """Another process chose the same message id in the same millisecond; the caller makes new ids and tries again."""


class SendFailed(Exception):
    """A device did not take a message.

    permanent: another try cannot help (a bad number, a barred SIM).
    unknown:   the device may have sent it; only a person or the account's policy may send it again.
    """

    def __init__(self, reason: str, *, permanent: bool = False, unknown: bool = False) -> None:
        super().__init__(reason)
        self.reason = reason
        self.permanent = permanent
        self.unknown = unknown

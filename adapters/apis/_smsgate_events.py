"""An open event stream of a phone. A part of smsgate_device.py."""

from __future__ import annotations

from datetime import datetime

from adapters.call import Pipe
from adapters.wire import smsgate as wire
from service.pulling import News

_EVENTS = {
    News.FETCH: wire.event("MessageEnqueued"),
    News.HOOKS: wire.event("WebhooksUpdated"),
    News.SETTINGS: wire.event("SettingsUpdated"),
}


class EventLine:
    """A service.pulling.Line."""

    def __init__(self, pipe: Pipe) -> None:
        self._pipe = pipe

    def tell(self, news: News, about: str = "") -> None:
        self._pipe.write(_event(news, about))

    def hang_up(self) -> None:
        self._pipe.close()


def _event(news: News, about: str) -> bytes:
    if news is News.CANCEL:
        return wire.message_cancelled(about)
    if news is News.HAND_IN:
        since, until = map(datetime.fromisoformat, about.split("/"))
        return wire.export_requested(since, until)
    return _EVENTS[news]

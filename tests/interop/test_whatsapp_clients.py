"""Our WhatsApp upstreams are no real ones: clients that others wrote for the real ones hold them to what those do."""

from __future__ import annotations

import httpx
import pytest
import pywa
import waha
from pywa.errors import WhatsAppError
from waha.exceptions import WahaAPIError

from tests.peers.whatsapp_upstreams import CloudApi, Waha, serve


def test_pywa_sends_by_our_cloud_api() -> None:
    upstream = CloudApi()
    with serve(upstream) as url, httpx.Client(mounts={"https://graph.facebook.com": _To(url)}) as session:
        client = pywa.WhatsApp(phone_id=upstream.number_id, token=upstream.token, session=session)
        sent = client.send_message(to="32495898697", text="Hi é")
        assert upstream.sent == [(sent.id, "32495898697", "Hi é")]
        upstream.failing = 400, {"error": {"message": "(#131026) Message undeliverable", "code": 131026, "type": "OAuthException"}}
        with pytest.raises(WhatsAppError) as refused:
            client.send_message(to="32495898697", text="x")
        assert refused.value.code == 131026


class _To(httpx.BaseTransport):
    """Every request to Meta goes to our own upstream."""

    def __init__(self, url: str) -> None:
        self._url, self._http = httpx.URL(url), httpx.HTTPTransport()

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        request.url = request.url.copy_with(scheme="http", host=self._url.host, port=self._url.port)
        return self._http.handle_request(request)

    def close(self) -> None:
        self._http.close()


def test_pywa_reads_what_our_cloud_api_calls() -> None:
    upstream = CloudApi()
    client = pywa.WhatsApp(phone_id=upstream.number_id, token=upstream.token, app_secret=upstream.app_secret, server=None, verify_token="x")
    seen: list[object] = []
    client.add_handlers(pywa.handlers.MessageHandler(lambda _, m: seen.append((m.from_user.wa_id, m.text))))
    client.add_handlers(pywa.handlers.MessageStatusHandler(lambda _, s: seen.append((s.id, s.status.value))))
    for headers, body in (upstream.message("32495898697", "Hi é"), upstream.status("wamid.1", "delivered")):
        assert client.webhook_update_validator(body, headers["X-Hub-Signature-256"]) is None
        _, status = client.webhook_update_handler(update=body)
        assert status == 200
    assert seen == [("32495898697", "Hi é"), ("wamid.1", "delivered")]


def test_waha_sends_by_our_waha() -> None:
    upstream = Waha()
    with serve(upstream) as url, waha.WahaClient(base_url=url, api_key=upstream.key) as client:
        client.messages.send_text(chat_id="32495898697@c.us", text="Hi é")
        assert [(to, text) for _, to, text in upstream.sent] == [("32495898697@c.us", "Hi é")]
        assert client.sessions.get("default").status == "WORKING"
        upstream.status_now = "FAILED"
        with pytest.raises(WahaAPIError) as refused:
            client.messages.send_text(chat_id="32495898697@c.us", text="x")
        assert refused.value.status_code == 422

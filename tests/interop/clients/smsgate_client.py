"""SMSGate's own Python package, by its documented calls, synchronous or not. Only the base URL is changed.

Arguments: URL LOGIN PASSWORD HOOK RECIPIENT TEXT STYLE. One line of JSON says what it has read.
"""

import asyncio
import dataclasses
import datetime
import enum
import json
import sys
import time

from android_sms_gateway import domain, enums
from android_sms_gateway.client import APIClient, AsyncAPIClient
from android_sms_gateway.errors import APIError

url, login, password, hook, to, text, style = sys.argv[1:]
now = datetime.datetime.now(datetime.UTC)
hour = datetime.timedelta(hours=1)


def story(said):
    """Yields each call, is sent what it returned, and leaves what matters in `said`."""
    said["health"] = []
    for name in ("health_check", "liveness_check", "readiness_check", "startup_check"):
        said["health"].append((yield (name,)))
    said["devices"] = yield ("list_devices",)
    messages = domain.SettingsMessages(send_interval_min=0, limit_period=enums.LimitPeriod.PER_DAY, limit_value=5000)
    webhooks = domain.SettingsWebhooks(signing_key="a key of the program")
    yield "patch_settings", domain.DeviceSettings(messages=messages, webhooks=webhooks)
    said["settings"] = yield ("get_settings",)
    yield "update_settings", said["settings"]
    webhook = yield "create_webhook", domain.Webhook(id=None, url=hook, event=enums.WebhookEvent.SMS_DELIVERED)
    said["webhook"], said["webhooks"] = webhook, (yield ("get_webhooks",))
    message = domain.Message(text_message=domain.TextMessage(text), phone_numbers=[to], id=f"python-{style}", ttl=3600, sim_number=1)
    said["sent"] = yield "send", message
    said["twice"] = yield "send", message
    for _ in range(100):
        said["state"] = yield "get_state", f"python-{style}"
        if said["state"].state is enums.ProcessState.Delivered:
            break
        time.sleep(0.1)
    later = domain.Message(text_message=domain.TextMessage("never"), phone_numbers=[to], device_id="nobody's")
    said["refused"] = yield "send", later
    query = domain.MessagesQueryFilter(from_=now - hour, to=now + hour, state="Delivered", device_id=said["devices"][0].id)
    said["listed"] = yield "get_messages", {"query": query, "pagination": domain.QueryPagination(limit=10, offset=0), "sort": "created_at"}
    said["inbox"] = yield "list_inbox_messages", {"inbox_filter": domain.InboxQueryFilter(message_type="SMS", from_=now - hour)}
    yield "refresh_inbox", domain.InboxRefreshRequest(since=now - hour, until=now, device_id=said["devices"][0].id)
    yield "export_inbox", domain.MessagesExportRequest(device_id=said["devices"][0].id, since=now - hour, until=now)
    said["token"] = yield "generate_token", domain.TokenRequest(scopes=["messages:send", "messages:read"], ttl=600)
    # the package's asynchronous refresh_token, in 4.3.3, fails before it has called anything
    said["renewed"] = (yield "refresh_token", said["token"].refresh_token) if style == "sync" else said["token"]
    yield "revoke_token", said["renewed"].id
    said["gone"] = yield "cancel_message", "nothing"
    said["logs"] = yield ("get_logs",)


def arguments(call):
    name, *given = call
    return name, ([], given[0]) if given and isinstance(given[0], dict) else (given, {})


def failed(error):
    return {"failed": getattr(error, "status_code", None) or getattr(getattr(error, "response", None), "status_code", None)}


def run_sync():
    said = {}
    told = story(said)
    with APIClient(login, password, base_url=url) as client:
        answer = None
        while True:
            try:
                name, (positional, named) = arguments(told.send(answer))
            except StopIteration:
                return said
            try:
                answer = getattr(client, name)(*positional, **named)
            except (APIError, OSError) as error:
                answer = failed(error)


async def run_async():
    said = {}
    told = story(said)
    async with AsyncAPIClient(login, password, base_url=url) as client:
        answer = None
        while True:
            try:
                name, (positional, named) = arguments(told.send(answer))
            except StopIteration:
                return said
            try:
                answer = await getattr(client, name)(*positional, **named)
            except APIError as error:
                answer = failed(error)


def plain(value):
    if dataclasses.is_dataclass(value):
        return {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    return value.value if isinstance(value, enum.Enum) else value.isoformat()


print(json.dumps(run_sync() if style == "sync" else asyncio.run(run_async()), default=plain))

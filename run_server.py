"""The recipe: settings -> data folder -> store -> service -> devices -> front door -> listen. Also the console script `dragoman`."""

from __future__ import annotations

import asyncio
import gc
import hashlib
import sys
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from typing import Any

from adapters import authority, cli, control, devices, open_files, reactor, tls
from adapters.apis import ApiSettings, load
from adapters.bundle import gateway_over
from adapters.data_folder import DataFolder, FolderInUse, open_folder
from adapters.device_worker import Worker
from adapters.devices import simulator
from adapters.forwarded import Proxies
from adapters.log import configure
from adapters.lookout import Lookout
from adapters.reactor import Housekeeper, utc_now
from adapters.sealing import KeyUnusable
from adapters.settings import Settings
from adapters.staff import Staff
from adapters.storage import open_store
from adapters.web import FrontDoor, Limits
from adapters.webhook_worker import WebhookWorker
from service.accounts import Account, ApiKey, digest_of, new_secret
from service.campaigns import Campaigns
from service.errors import NotFound, SealBroken, Unavailable
from service.fleet import Device, Fleet
from service.gateway import Gateway
from service.guesses import Guesses
from service.ports import Driver, Store
from service.pulling import SEEN, Pulls
from service.webhooks import Webhooks

FIRST_ACCOUNT = "default"
DRAIN_S = 10.0
NOTE_USED_S = 20.0
LOOK_FOR_SILENCE_S = 10.0
NOTED_AT_ONCE = 100
"""devices that are noted in one commit"""
CAMPAIGN_S = 1.0
CAMPAIGN_PAUSE_S = 0.02
"""between portions, so that whoever wants to write comes in between"""


@dataclass(kw_only=True, slots=True)
class Running:
    """A server that is up."""

    gateway: Gateway
    folder: DataFolder
    urls: list[str]


AfterStart = Callable[[Running], Awaitable[int | None]]
"""told of a server that is up; a number that it returns ends the server with that exit status"""


class StartFailed(Exception):
    """The server cannot run here; the text says why and what to do."""


async def start(settings: Settings, log: Any, opened: AsyncExitStack) -> Running:
    """Everything in order; what is opened is closed through `opened`, in the reverse order. Raises StartFailed."""
    folder = _folder(settings)
    opened.callback(folder.close)
    store = await _store(settings, folder, log, opened)
    fleet = Fleet(store=store)
    gateway = _gateway(store, fleet, settings, folder, log)
    gateway.outcome.on_unknown = lambda report: _unknown_report(log, report.device)
    gateway.pulls.on_trouble = lambda device, why: log.warning("device_in_trouble", device=device, why=why)
    opened.push_async_callback(gateway.links.close)
    account = await _first_account(store, folder, settings, log)
    staff = await _staff(gateway, settings, folder, account, log)
    await _keep_house(store, folder, staff, log, opened)
    gateway.submission.on_queued = gateway.mailbox.on_queued = gateway.outcome.on_queued = gateway.campaigns.on_queued = staff.queued
    gateway.mailbox.on_cancel = gateway.pulls.cancel
    fleet.on_link, fleet.on_unlink = staff.engage, _dismisser(staff, gateway.pulls)
    teller = _tell_webhooks(gateway.webhooks, log, opened)

    def changed(device: str) -> None:
        staff.changed(device)
        teller.device_changed(fleet, device)

    fleet.on_change = changed
    opened.push_async_callback(staff.stop)
    lookout = Lookout(store=store, clock=utc_now, on_due=staff.due, log=log)
    staff.expect = lookout.expect
    await staff.start()
    looking_out = asyncio.create_task(lookout.run())
    opened.callback(looking_out.cancel)
    noting = asyncio.create_task(reactor.every(NOTE_USED_S, gateway.accounts.note_used, log))
    opened.callback(noting.cancel)
    looking = asyncio.create_task(reactor.every(LOOK_FOR_SILENCE_S, lambda: look_for_silence(gateway.pulls, fleet), log))
    opened.callback(looking.cancel)
    campaigning = asyncio.create_task(reactor.every(CAMPAIGN_S, lambda: _campaign(gateway.campaigns), log))
    opened.callback(campaigning.cancel)
    opened.push_async_callback(await control.listen(folder.path, gateway, log=log))
    urls = await _listen(settings, gateway, log, opened)
    gateway.urls.extend([settings.public_url] if settings.public_url else urls)
    # what is there now stays, so no later collection need look at it: each full one cost 60 ms and showed in p99
    gc.collect()
    gc.freeze()
    log.info("ready", urls=urls, data=str(folder.path), phones=len(staff))
    return Running(gateway=gateway, folder=folder, urls=urls)


def _folder(settings: Settings) -> DataFolder:
    try:
        return open_folder(settings.data)
    except (FolderInUse, OSError) as failed:
        raise StartFailed(str(failed)) from None


async def _store(settings: Settings, folder: DataFolder, log: Any, opened: AsyncExitStack) -> Store:
    store = open_store(settings.database_url, folder.path, log=log)
    try:
        await store.open()
    except Unavailable as failed:
        raise StartFailed(failed.why) from None
    opened.push_async_callback(store.close)
    return store


def _gateway(store: Store, fleet: Fleet, settings: Settings, folder: DataFolder, log: Any) -> Gateway:
    guesses = Guesses(on_many=lambda peer: log.warning("many_wrong_keys", peer=peer))
    try:
        return gateway_over(store, fleet, settings, folder, guesses)
    except KeyUnusable as failed:
        raise StartFailed(str(failed)) from None


def _tell_webhooks(webhooks: Webhooks, log: Any, opened: AsyncExitStack) -> WebhookWorker:
    worker = WebhookWorker(webhooks=webhooks, log=log)
    worker.start()
    opened.push_async_callback(worker.stop)
    return worker


async def _first_account(store: Store, folder: DataFolder, settings: Settings, log: Any) -> Account:
    """On the very first start: the account and one key, shown once."""
    given = settings.bootstrap_api_key
    account = await store.find_account(FIRST_ACCOUNT)
    if account is not None:
        if given and await store.find_key(digest_of(given)) is None:
            log.warning("bootstrap_api_key_ignored", why="the first account is there already, and this is not one of its keys")
        return account
    account = await store.create_account(Account(id=0, name=FIRST_ACCOUNT))
    secret = given or new_secret()
    await store.create_key(ApiKey(id=0, account_id=account.id, label="first", digest=digest_of(secret), created=utc_now()))
    if given:
        log.info("first_account", account=account.name, key="the one that was given")
    elif sys.stderr.isatty():
        print(f"\n  The API key of the account {account.name!r}, shown only now:\n\n      {secret}\n", file=sys.stderr)
    else:
        log.info("first_account", account=account.name, key_file=str(folder.write_first_key(secret)))
    return account


async def _staff(gateway: Gateway, settings: Settings, folder: DataFolder, account: Account, log: Any) -> Staff:
    """A worker for each device that this process speaks to; none of them works yet."""
    dispatch, store, fleet = gateway.outcome.dispatch, gateway.store, gateway.fleet
    kinds, reading_secrets = devices.load(), devices.reading_secrets()
    tools = devices.Tools(clock=utc_now, folder=folder.path, pulls=gateway.pulls, options={simulator.KIND: settings.simulator_behaviour})

    async def build(device: Device) -> Driver | None:
        if device.kind not in kinds:
            log.warning("unknown_kind", device=device.id, kind=device.kind, why="nothing here speaks to such devices; its messages wait")
            return None
        try:
            has_secrets = device.kind in reading_secrets
            return kinds[device.kind](device, replace(tools, secrets=await _secrets(gateway, device)) if has_secrets else tools)
        except (SealBroken, KeyError) as failed:
            why = str(failed) if isinstance(failed, SealBroken) else f"it has no {failed.args[0]}: remove it and add it again"
            log.error("device_unusable", device=device.id, kind=device.kind, why=why)
            return None

    def hire(driver: Driver) -> Worker:
        return Worker(driver=driver, dispatch=dispatch, store=store, fleet=fleet, log=log, peers=staff)

    staff = Staff(build=build, hire=hire, inbox=gateway.outcome)
    for device in await store.devices():
        fleet.register(device)
        if device.kind != simulator.KIND:
            await staff.engage(device)
    for phone in _simulated(settings, folder, fleet, account):
        await fleet.keep(phone)
        await staff.engage(phone)
    for device in fleet.all():
        # while it can still be seen what a process that died had in its hands
        await dispatch.leave(device)
    return staff


async def _secrets(gateway: Gateway, device: Device) -> dict[str, str]:
    try:
        return await gateway.enrolment.secrets(device.id)
    except NotFound:  # most kinds need none
        return {}


def _dismisser(staff: Staff, pulls: Pulls) -> Callable[[Device], Awaitable[None]]:
    async def dismiss(device: Device) -> None:
        await staff.dismiss(device)
        pulls.drop(device.id)

    return dismiss


async def look_for_silence(pulls: Pulls, fleet: Fleet) -> None:
    """Also writes down now and then which of the devices that call us were there, so that after a restart it is known since when not."""
    pulls.sweep()
    due = list(pulls.to_write().items())
    for begin in range(0, len(due), NOTED_AT_ONCE):
        some = due[begin : begin + NOTED_AT_ONCE]
        await asyncio.gather(*(fleet.note(id, **{SEEN: seen.isoformat(timespec="seconds")}) for id, seen in some))


async def _campaign(campaigns: Campaigns) -> None:
    is_running = True
    while is_running:
        is_running = await campaigns.step()
        await asyncio.sleep(CAMPAIGN_PAUSE_S)


def _simulated(settings: Settings, folder: DataFolder, fleet: Fleet, account: Account) -> Iterator[Device]:
    """As many as the setting says; each keeps its id and what was decided about it over a restart."""
    for number in range(1, settings.simulator + 1):
        id = hashlib.sha256(f"{folder.node}/simulator/{number}".encode()).hexdigest()[:16]
        known = fleet.get(account.id, id)
        phone = known or Device(id=id, account_id=account.id, kind=simulator.KIND, label=f"Simulated phone {number}", sims=2)
        yield replace(phone, whatsapp=number <= settings.simulator_whatsapp)


async def _keep_house(store: Store, folder: DataFolder, staff: Staff, log: Any, opened: AsyncExitStack) -> None:
    housekeeper = Housekeeper(store=store, clock=utc_now, deduplicating=staff.deduplicating, log=log)
    housekeeper.on_released = lambda account_id: staff.queued(account_id, None)
    await housekeeper.recover(folder.node)
    for task in (asyncio.create_task(housekeeper.run()), asyncio.create_task(housekeeper.index())):
        opened.callback(task.cancel)


async def _listen(settings: Settings, gateway: Gateway, log: Any, opened: AsyncExitStack) -> list[str]:
    api_settings = ApiSettings(
        public_url=settings.public_url,
        listens_on=settings.listen[0],
        legacy_errors=settings.legacy_errors,
        ca_file=settings.data / authority.FOLDER / authority.CA,
        smrtphone_per_day=settings.smrtphone_per_day,
        smrtphone_limit_status=settings.smrtphone_limit_status,
        smrtphone_plain=settings.smrtphone_plain,
        smrtphone_footer=settings.smrtphone_footer,
    )
    proxies = Proxies(networks=settings.trusted_proxies)
    limits = Limits(body=settings.body_limit, connections=open_files.room_for(settings.connections, log))
    door = FrontDoor(load(gateway, api_settings), limits=limits, proxies=proxies, log=log)
    opened.push_async_callback(door.drain, DRAIN_S)
    certificate = _certificate(settings, log, opened) if settings.listen_tls else None
    plain = [("http", "--listen", address) for address in settings.listen]
    urls = []
    for scheme, flag, address in [*plain, *(("https", "--listen-tls", address) for address in settings.listen_tls)]:
        try:
            port = reactor.listen(address, door, tls=certificate if scheme == "https" else None)
        except OSError as failed:
            raise StartFailed(f"cannot listen on {address}: {failed.strerror or failed}; choose another with {flag}") from None
        opened.push_async_callback(port.stop)
        urls.append(f"{scheme}://{port.address}")
    return urls


def _certificate(settings: Settings, log: Any, opened: AsyncExitStack) -> tls.ServerCertificate:
    try:
        certificate, key = tls.files(settings.tls_certificate, settings.tls_key, settings.data)
        served = tls.ServerCertificate(certificate, key, log=log)
    except tls.CertificateUnusable as unusable:
        raise StartFailed(str(unusable)) from None
    reminding = asyncio.create_task(reactor.every(tls.REMIND_S, served.remind, log))
    opened.callback(reminding.cancel)
    return served


def _unknown_report(log: Any, device: str) -> None:
    log.warning("unknown_report", device=device, why="a report about a message that is not known; it changes nothing")


def serve(settings: Settings, after_start: AfterStart | None = None) -> int:
    """Run until a signal says stop; the exit status: 0 after a clean stop, 1 when it could not start."""
    log = configure(settings.log)
    opened = AsyncExitStack()

    async def main() -> int | None:
        try:
            running = await start(settings, log, opened)
            return await after_start(running) if after_start else None
        except StartFailed as failed:
            log.error("not_started", why=str(failed))
            return 1

    return reactor.run(main, opened.aclose, log)


def main() -> None:
    """The console script."""
    cli.main(serve)


if __name__ == "__main__":
    main()

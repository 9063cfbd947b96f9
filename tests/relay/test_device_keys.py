"""Device keys: one device each, within their time, within their bounds."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
import pytest

from tests.relay.fakes import REGISTRATION_KEY
from tests.relay.key_town import WINDOW, Clock, MemoryBucket, new_store
from tiflis.bus.devices.records import Access, DeviceKey
from tiflis.bus.errors import Conflict
from tiflis.protocol.errors import DeviceLimit, InvalidAuthKey, InvalidCode, Unconfirmed
from tiflis.relay.auth import device_keys
from tiflis.relay.auth.device_keys import DeviceKeys, Minted
from tiflis.relay.auth.keys import Keyring
from tiflis.relay.auth.rate_limit import _fitting

TUNNEL = "tunnel-1"


class Keys:
    """Two workers' keys over one bucket; neither follows the other but by reading."""

    def __init__(self) -> None:
        self.bucket, self.clock = MemoryBucket(), Clock()
        self.stores = [new_store(self.bucket) for _ in range(2)]
        ring = Keyring([REGISTRATION_KEY])
        self.spawned: list[Any] = []
        one, two = (DeviceKeys(store, ring, self.clock, WINDOW, self.spawned.append) for store in self.stores)
        self.one, self.two = one, two
        one.confirm = two.confirm = self._confirm

    async def _confirm(self, key: str, value: bytes | None, revision: int, /, everyone: bool = False) -> bool:
        for store in self.stores:
            store.changed(key, value, revision)
        return True

    def right(self, minted: Minted, device_id: str) -> bool:
        return _fitting(self.two.trial(TUNNEL, [minted.key], device_id)) == 0


async def test_two_devices_race_for_a_key_and_one_wins() -> None:
    keys = Keys()
    minted = await keys.one.mint(TUNNEL, "", "full")
    outcomes = await asyncio.gather(
        keys.one.used(TUNNEL, minted.key, "phone", "", "client"),
        keys.two.used(TUNNEL, minted.key, "tablet", "", "client"),
        return_exceptions=True,
    )
    assert sum(isinstance(one, DeviceKey) for one in outcomes) == 1
    assert sum(isinstance(one, InvalidAuthKey) for one in outcomes) == 1


async def test_a_key_is_of_its_device_and_of_its_time() -> None:
    keys = Keys()
    minted, late = await keys.one.mint(TUNNEL, "", "full"), await keys.one.mint(TUNNEL, "", "full")
    assert keys.right(minted, "phone")
    assert not keys.right(Minted(minted.entry, minted.key[:-1] + "~", ""), "phone")
    await keys.two.used(TUNNEL, minted.key, "phone", "10.0.0.1", "client")
    keys.clock.time += WINDOW
    assert keys.right(minted, "phone")
    assert not keys.right(minted, "tablet")
    assert not keys.right(late, "phone"), "its device came too late"
    await keys.one.tidy()
    assert [one.key_id for one in keys.one.all(TUNNEL)] in ([minted.entry.key_id], [])


async def test_a_code_is_redeemed_once_also_at_the_same_moment() -> None:
    keys = Keys()
    minted = await keys.one.mint(TUNNEL, "", "view")
    assert keys.one.behind_code(minted.code)[1] == minted.entry
    outcomes = await asyncio.gather(
        *(one.redeem(minted.entry) for one in (keys.one, keys.two)), return_exceptions=True
    )
    assert {type(one) for one in outcomes} == {Minted, InvalidCode}
    assert keys.one.behind_code(minted.code)[1] is None
    assert not keys.right(minted, "phone"), "the link has another secret"


async def test_a_link_whose_code_is_redeemed_meanwhile_does_not_take_its_key_back() -> None:
    keys = Keys()
    minted = await keys.one.mint(TUNNEL, "", "view")
    assert keys.right(minted, "phone"), "the second worker has compared the link's key"
    other = keys.one.confirm
    keys.one.confirm = keys.two.confirm = lambda *_, **__: asyncio.sleep(0, True)
    redeemed = await keys.one.redeem(minted.entry)  # the second worker does not know it yet
    with pytest.raises(InvalidAuthKey):
        await keys.two.used(TUNNEL, minted.key, "phone", "", "client")
    keys.one.confirm = keys.two.confirm = other
    assert keys.right(redeemed, "tablet")
    assert (await keys.two.used(TUNNEL, redeemed.key, "tablet", "", "client")).device_id == "tablet"


async def test_a_key_that_a_worker_may_not_know_to_be_revoked_is_revoked_all_the_same() -> None:
    keys = Keys()
    minted = await keys.one.mint(TUNNEL, "", "full")
    confirm, keys.one.confirm = keys.one.confirm, lambda *_, **__: asyncio.sleep(0, False)
    for _ in range(2):
        with pytest.raises(Unconfirmed, match="The key is revoked"):
            await keys.one.revoke(TUNNEL, minted.entry.key_id)
    assert keys.one.get(TUNNEL, minted.entry.key_id) is None
    keys.one.confirm = confirm
    assert not await keys.one.revoke(TUNNEL, minted.entry.key_id), "confirmed now: there is no such key"
    assert keys.two.get(TUNNEL, minted.entry.key_id) is None


async def test_the_use_of_a_key_is_written_once_a_minute() -> None:
    keys = Keys()
    minted = await keys.one.mint(TUNNEL, "", "full")
    await keys.one.used(TUNNEL, minted.key, "phone", "", "client")
    for _ in range(5):
        await keys.one.used(TUNNEL, minted.key, "phone", "", "client")
    assert keys.spawned == []
    keys.clock.time += 61
    await keys.one.used(TUNNEL, minted.key, "phone", "10.0.0.9", "watch")
    [note] = keys.spawned
    await note
    assert keys.one.all(TUNNEL)[0].address == "10.0.0.9"


async def test_a_deleted_key_does_not_come_back_by_an_older_record() -> None:
    keys = Keys()
    minted = await keys.one.mint(TUNNEL, "", "full")
    place, value = keys.stores[0].stored(minted.entry)
    assert await keys.one.revoke(TUNNEL, minted.entry.key_id)
    keys.stores[1].changed(place, value, minted.entry.revision)
    assert keys.two.get(TUNNEL, minted.entry.key_id) is None
    assert not await keys.two.revoke(TUNNEL, minted.entry.key_id)


async def test_a_forged_record_is_no_key() -> None:
    keys = Keys()
    minted = await keys.one.mint(TUNNEL, "", "view")
    place, value = keys.stores[0].stored(minted.entry)
    keys.stores[0].changed(place, value.replace(b'"view"', b'"owner"'), 99)
    assert keys.one.get(TUNNEL, minted.entry.key_id) == minted.entry
    with pytest.raises(Conflict):
        await keys.stores[0].put(msgspec.structs.replace(minted.entry, revision=7))


async def test_ten_thousand_devices_are_the_most(monkeypatch: pytest.MonkeyPatch) -> None:
    keys = Keys()
    template = (await keys.one.mint(TUNNEL, "", "full")).entry
    for number in range(1, 10_000):
        entry = msgspec.structs.replace(
            template, key_id=f"{number:08}", device_id=f"d{number}", revision=number + 1
        )
        keys.stores[0]._remember(entry)
    with pytest.raises(DeviceLimit):
        await keys.one.mint(TUNNEL, "", "full")
    other = [await keys.one.mint("tunnel-2", "", "full") for _ in range(device_keys.WAITING_PER_TUNNEL)]
    with pytest.raises(DeviceLimit):
        await keys.one.mint("tunnel-2", "", "full")
    await keys.one.used("tunnel-2", other[0].key, "phone", "", "client")
    await keys.one.mint("tunnel-2", "", "full")


async def test_a_closed_owner_key_remembers_a_bounded_number_of_devices() -> None:
    keys = Keys()
    await keys.one.set_owner_key(TUNNEL, "known", [f"d{number}" for number in range(1000)])
    access = keys.stores[1].access(TUNNEL)
    assert isinstance(access, Access)
    assert len(access.known) == device_keys.KNOWN_DEVICES
    keys.two.admit_owner(TUNNEL, "d999", lambda: False)
    with pytest.raises(InvalidAuthKey):
        keys.two.admit_owner(TUNNEL, "stranger", lambda: False)


@pytest.mark.parametrize("narrowed", [True, False])
async def test_what_a_revoked_device_has_minted_admits_no_device(narrowed: bool) -> None:
    """Neither the link nor the code; a device that has its key already keeps it."""
    keys = Keys()
    maker = (await keys.one.mint(TUNNEL, "", "owner")).entry.key_id
    used, link, code = [await keys.one.mint(TUNNEL, "", "owner", maker=maker) for _ in range(3)]
    await keys.two.used(TUNNEL, used.key, "tablet", "", "client")
    assert keys.right(link, "phone")
    if narrowed:
        await keys.one.change(TUNNEL, maker, scope="full")
    else:
        await keys.one.revoke(TUNNEL, maker)
    assert not keys.right(link, "phone")
    assert keys.two.behind_code(code.code)[1] is None
    assert keys.right(used, "tablet")
    await keys.two.tidy()
    assert link.entry.key_id not in [one.key_id for one in keys.two.all(TUNNEL)]

"""A held message that somebody else has written to the bus is never sent to a workstation."""

from __future__ import annotations

from typing import Any, cast
from unittest.mock import MagicMock

import msgspec
import pytest

from tests.relay.fakes import REGISTRATION_KEY
from tests.relay.key_town import MemoryBucket
from tiflis.bus.directory.bucket import Entry
from tiflis.relay.auth.keys import Keyring
from tiflis.relay.held.records import HeldRecord, held_records
from tiflis.relay.held.store import HeldStore

RECORD = HeldRecord(
    "phone", "m", "supervisor.command", "held", 2e9, 1.0, text=b'{"type":"supervisor.command"}'
)


class Bucket(MemoryBucket):
    """A bucket that tells its newest revision."""

    largest = 1 << 20

    async def last_revision(self) -> int:
        return self.last

    async def ensure_at_last(self, clustered: bool, complaint: str) -> None: ...

    def put(self, record: HeldRecord, value: bytes) -> None:
        self.last += 1
        self.entries[f"t.{record.key}"] = Entry(value, self.last)


def over(bucket: Bucket, *keys: str) -> HeldStore:
    store = HeldStore(cast(Any, MagicMock()), 60.0, Keyring(keys or [REGISTRATION_KEY]).held_keys())
    store._bucket = cast(Any, bucket)
    return store


async def test_a_message_is_read_as_it_was_held_also_after_a_change_of_the_registration_key() -> None:
    bucket = Bucket()
    await over(bucket).write("t", RECORD, 0)
    for store in (over(bucket), over(bucket, "another key" * 4, REGISTRATION_KEY)):
        found = await store.read("t", RECORD.key)
        assert found is not None
        assert msgspec.structs.replace(found.record, seal=b"") == RECORD
    assert held_records.decode(bucket.entries[f"t.{RECORD.key}"].value or b"") is not None, "by older code"


@pytest.mark.parametrize("forged", ["changed", "of another tunnel", "unsealed", "sealed by another"])
async def test_a_message_that_another_has_put_on_the_bus_is_refused(
    forged: str, caplog: pytest.LogCaptureFixture
) -> None:
    bucket = Bucket()
    store = over(bucket)
    await store.start(False)
    await store.seal()
    value = held_records.encode(RECORD)
    if forged != "unsealed":
        writer = over(bucket, "another key" * 4) if forged == "sealed by another" else store
        tunnel_id = "u" if forged == "of another tunnel" else "t"
        await writer.write(tunnel_id, RECORD, 0)
        value = bucket.entries.pop(f"{tunnel_id}.{RECORD.key}").value or b""
    bucket.put(RECORD, value.replace(b"command", b"COMMAND") if forged == "changed" else value)
    for reader in (store, over(bucket)):
        await reader.start(False)
        assert await reader.read("t", RECORD.key) is None
    assert "held message refused" in caplog.text


async def test_what_older_code_has_held_is_delivered_until_all_code_seals() -> None:
    bucket = Bucket()
    store = over(bucket)
    await store.start(False)
    bucket.put(RECORD, held_records.encode(RECORD))
    assert not store.sealed
    await store.seal()
    assert store.sealed
    for reader in (store, over(bucket)):
        await reader.start(False)
        assert await reader.read("t", RECORD.key) is not None

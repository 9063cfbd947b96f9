"""The audit has every command, in order, with the session that it names and none of its contents."""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import Callable
from typing import Any

import pytest

from tiflis.relay.devices import audit as module
from tiflis.relay.devices.audit import Audit, Author, in_words


class Kept:
    """A store that keeps the batches, or refuses them."""

    def __init__(self) -> None:
        self.batches: list[tuple[str, list[Any]]] = []
        self.refuses = False

    async def append(self, tunnel_id: str, batch: bytes, name: str) -> None:
        if self.refuses:
            raise OSError("no room")
        self.batches.append((tunnel_id, json.loads(batch)))

    def rows(self, tunnel_id: str) -> list[dict[str, Any]]:
        return [in_words(entry) for name, batch in self.batches if name == tunnel_id for entry in batch]


@pytest.fixture
def kept() -> Kept:
    return Kept()


@pytest.fixture
def due() -> list[Callable[[], None]]:
    """Return the flushes that are due."""
    return []


@pytest.fixture
def audit(kept: Kept, due: list[Callable[[], None]]) -> Audit:
    seconds = itertools.count(1_700_000_000.0)
    return Audit(kept, "w", lambda _, call: due.append(call), asyncio.run, lambda: next(seconds))


def device(device_id: str = "phone", tunnel_id: str = "t", scope: str = "full") -> Author:
    return Author(tunnel_id, device_id, "", scope)


def command(session: str, text: str = "hello") -> bytes:
    message = {"type": "session.execute", "session_id": session, "payload": {"content": text}}
    return json.dumps(message, separators=(",", ":")).encode()


def test_the_commands_of_all_devices_are_stored_in_their_order(
    audit: Audit, kept: Kept, due: list[Callable[[], None]]
) -> None:
    phone, desk, other = device(), device("desk"), device("far", "u")
    for author, kind in ((phone, "a"), (desk, "b"), (phone, "c"), (other, "d"), (desk, "e")):
        audit.command(author, kind, b"{}")
    assert (audit.waiting(""), audit.waiting("t"), len(due)) == (5, 4, 1)
    due.pop()()
    assert [row["type"] for row in kept.rows("t")] == ["a", "b", "c", "e"]
    assert [row["device_id"] for row in kept.rows("u")] == ["far"]
    assert (audit.waiting(""), audit.waiting("t")) == (0, 0)
    audit.command(phone, "f", b"{}")
    due.pop()()
    assert kept.rows("t")[-1]["type"] == "f"


def test_each_entry_names_the_session_of_its_own_message(audit: Audit, kept: Kept) -> None:
    phone = device()
    texts = {
        "one": command("one"),
        "two": command("two"),
        "one-more": command("one-more"),
        "spaced": b'{"session_id": "spaced"}',
        "": b'{"type":"supervisor.command","payload":{}}',
        "one.": command("one."),
    }
    for text in (*texts.values(), *reversed(texts.values())):
        audit.command(phone, "session.execute", text)
    asyncio.run(audit.flush("t"))
    assert [row.get("session", "") for row in kept.rows("t")] == [*texts, *reversed(texts)]


def test_an_entry_has_the_scope_of_its_time_and_no_contents(audit: Audit, kept: Kept) -> None:
    audit.command(device(scope="full"), "session.input", command("s", "canary-51c2"))
    audit.command(device(scope="view"), "session.input", command("s", "canary-51c2"), "forbidden")
    audit.command(device(), "k" * 1000, b"{}")
    audit.change(device("owner", scope="owner"), "device.revoked", "abcdefgh", "ann@example.org")
    asyncio.run(audit.flush())
    rows = kept.rows("t")
    assert [(row["scope"], row["outcome"]) for row in rows] == [
        ("full", "relayed"), ("view", "forbidden"), ("full", "relayed"), ("owner", "done"),
    ]  # fmt: skip
    assert rows[0]["bytes"] == len(command("s", "canary-51c2"))
    assert rows[2]["type"] == "k" * 64
    assert (rows[3]["about"], rows[3]["by"]) == ("abcdefgh", "ann@example.org")
    assert "canary" not in json.dumps(kept.batches)


def test_what_cannot_be_stored_is_lost_and_nothing_more(
    audit: Audit, kept: Kept, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "ENTRIES_WAITING", 3)
    phone, desk = device(), device("desk")
    for author in (phone, desk, phone, phone, desk):
        audit.command(author, "a", b"{}")
    assert audit.waiting("") == 3
    kept.refuses = True
    asyncio.run(audit.flush())
    assert (audit.waiting(""), audit.waiting("t"), kept.batches) == (0, 0, [])
    kept.refuses = False
    audit.command(desk, "a", b"{}")
    asyncio.run(audit.flush())
    assert len(kept.rows("t")) == 1


def test_a_name_in_another_encoding_loses_no_entries(
    audit: Audit, kept: Kept, due: list[Callable[[], None]]
) -> None:
    audit.change(device("owner"), "device.revoked", "abcdefgh", b"Jos\xe9".decode(errors="surrogateescape"))
    audit.command(device(), "session.execute", command("s"))
    due.pop()()
    assert [row["type"] for row in kept.rows("t")] == ["device.revoked", "session.execute"]
    assert audit.waiting("") == 0

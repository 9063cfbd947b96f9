"""Each event is sent once, and is sent though the worker that was sending it dies."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, cast

import msgspec
import pytest

from tests.relay.watch_fakes import FakeClock
from tiflis.bus.directory.bucket import WrongRevision
from tiflis.relay.interfaces import Timer
from tiflis.relay.push.claims import CLAIM_SECONDS, OLDEST
from tiflis.relay.push.events import Event
from tiflis.relay.push.notifier import OFFLINE_SECONDS, Host, PushNotifier
from tiflis.relay.push.records import TUNNEL, Claim, Notifiers, Subscription
from tiflis.relay.push.sender import DEVICES_WAITING, OWN_TUNNELS, Outcome, PushSender
from tiflis.relay.push.store import PushStore, Unavailable

SUBSCRIPTION = Subscription("phone", "https://push.example.org/x", b"", b"", ["done", "offline"])
DONE = Event("done", "s", "id-1", "text")


class FakeStore:
    """The bucket as a dictionary; records are copies, as those that were read are."""

    def __init__(self) -> None:
        self.ready = True
        self.entries: dict[str, tuple[Any, int]] = {"phone": (SUBSCRIPTION, 1)}
        self.away = False
        self._revision = 1

    def _put(self, key: str, value: Any, revision: int) -> int:
        if self.away:
            raise Unavailable
        if self.entries.get(key, (None, 0))[1] != revision:
            raise WrongRevision
        self._revision += 1
        self.entries[key] = (msgspec.structs.replace(value), self._revision)
        return self._revision

    async def read(self, tunnel_id: str, device_id: str) -> tuple[Subscription | None, int]:
        if self.away:
            raise Unavailable
        value, revision = self.entries.get(device_id, (None, 0))
        return value and msgspec.structs.replace(value), revision

    async def write(self, tunnel_id: str, subscription: Subscription, revision: int) -> None:
        self._put(subscription.device_id, subscription, revision)

    async def claim(self, claim: Claim, revision: int) -> int:
        return self._put(claim.key, claim, revision)

    async def claimed(self, key: str) -> tuple[Claim | None, int]:
        return self.entries.get(key, (None, 0))

    async def claims(self) -> list[tuple[Claim, int]]:
        return [entry for entry in self.entries.values() if isinstance(entry[0], Claim)]

    async def release(self, claim: Claim, revision: int) -> None:
        if self.entries.get(claim.key, (None, 0))[1] != revision:
            raise WrongRevision
        del self.entries[claim.key]

    async def notifiers(self, tunnel_id: str) -> tuple[Notifiers, int]:
        return Notifiers(), 0

    async def load(self, tunnel_id: str) -> list[Subscription]:
        return [msgspec.structs.replace(SUBSCRIPTION)]

    async def remove_of_key(self, tunnel_id: str, device_id: str, key_id: str) -> None:
        raise WrongRevision


class Sender(PushSender):
    """Counts what it posts; dies in the middle of a POST, or before it, on demand."""

    def __init__(self, store: FakeStore, clock: FakeClock, me: str, living: set[str]) -> None:
        super().__init__(cast(PushStore, store), (), "", wall=clock, me=me, alive=living.__contains__)
        self.posted: list[str] = []
        self.dies = False
        self.answers: list[Outcome] = []

    async def send(self, tunnel_id: str, subscription: Subscription, event: Event, name: str) -> Outcome:
        self.posted.append(event.id)
        if self.dies:
            raise asyncio.CancelledError
        await asyncio.sleep(0)
        return self.answers.pop() if self.answers else Outcome("sent")


class Two:
    """Two workers and their store."""

    def __init__(self) -> None:
        self.clock, self.store, self.living = FakeClock(), FakeStore(), {"a", "b"}
        self.a, self.b = (Sender(self.store, self.clock, me, self.living) for me in ("a", "b"))

    async def notify(self, sender: Sender) -> None:
        await sender.notify("t", SUBSCRIPTION, DONE, "")

    async def die(self) -> None:
        """Have ``a`` die while it posts the event."""
        self.a.dies = True
        with pytest.raises(asyncio.CancelledError):
            await self.notify(self.a)


async def test_an_event_that_two_workers_find_often_is_posted_once() -> None:
    two = Two()
    await asyncio.gather(*(two.notify(sender) for sender in (two.a, two.b, two.a, two.b)))
    await two.notify(two.b)
    assert two.a.posted + two.b.posted == ["id-1"]
    assert list(two.store.entries) == ["phone"]


async def test_what_a_dead_worker_was_sending_is_sent_by_another_once() -> None:
    two = Two()
    await two.die()
    await two.b.resend()
    assert two.b.posted == []  # it lives, as far as is known
    two.living.remove("a")
    await two.b.resend()
    await two.b.resend()
    assert two.b.posted == ["id-1"]


async def test_a_claim_is_over_in_time_and_forgotten_when_it_is_old() -> None:
    two = Two()
    await two.die()
    two.clock.now += CLAIM_SECONDS + 1
    await two.b.resend()
    assert two.b.posted == ["id-1"]
    again = Two()
    await again.die()
    again.clock.now += OLDEST + 1
    await again.b.resend()
    assert (again.b.posted, list(again.store.entries)) == ([], ["phone"])


async def test_an_event_waits_for_a_store_that_is_away(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tiflis.relay.push.sender.STORE_PAUSE", 0.0)
    two = Two()
    two.store.away = True
    sending = asyncio.create_task(two.notify(two.a))
    await asyncio.sleep(0)
    two.store.away = False
    await sending
    assert two.a.posted == ["id-1"]


class FakeHome:
    """A home with one device, whose key is in force or revoked."""

    tunnel_id, retired, workstation_online, workstation_name = "t", False, True, "desk"

    def __init__(self) -> None:
        self.watches = self.stays = self.access = self
        self.allowed = True

    def ended(self, key_id: str) -> bool:
        return not self.allowed

    def manages(self, key_id: str) -> bool:
        return self.allowed

    def subscribed(self, device_id: str, subscribed: bool) -> None: ...


class Watching:
    """A notifier; ``tasks``: what it has begun; ``timers``: what is to be called later, in how many
    seconds."""

    def __init__(self, two: Two) -> None:
        self.home, self.tasks = FakeHome(), list[asyncio.Task[None]]()
        self.timers: list[tuple[float, Callable[[], None]]] = []

        def spawn(work: Coroutine[Any, Any, None]) -> None:
            self.tasks.append(asyncio.ensure_future(work))

        def later(seconds: float, do: Callable[[], None]) -> Timer:
            self.timers.append((seconds, do))
            return cast(Timer, None)

        self.notifier = PushNotifier(cast(Host, self.home), two.a, spawn, later, two.clock)

    async def settle(self) -> None:
        while self.tasks:
            await self.tasks.pop()


async def begun(two: Two) -> Watching:
    """Return a notifier that has loaded its subscriptions."""
    watching = Watching(two)
    watching.notifier.begin()
    await watching.settle()
    return watching


OUTPUT = b'{"type":"session.output","session_id":"s","payload":{"content":"x","is_complete":true}}'


async def test_an_event_that_comes_before_the_subscriptions_are_loaded_is_sent() -> None:
    two = Two()
    watching = Watching(two)
    watching.notifier.begin()
    assert watching.notifier.watching
    watching.notifier.look(None, OUTPUT)
    await watching.settle()
    assert len(two.a.posted) == 1


async def test_a_subscription_that_changes_while_it_is_removed_breaks_nothing() -> None:
    two = Two()
    watching = await begun(two)
    watching.home.allowed = False
    watching.notifier.look(None, OUTPUT)
    await watching.settle()  # the store answers that the record has changed
    assert two.a.posted == []


async def test_an_event_is_sent_again_to_a_push_service_that_is_busy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tiflis.relay.push.sender.LONGEST_PAUSE", 0.0)
    two = Two()
    two.a.answers = [Outcome("refused", 0.001)] * 2
    await two.notify(two.a)
    assert two.a.posted == ["id-1"] * 3
    assert list(two.store.entries) == ["phone"], "the claim is removed"


async def test_notifiers_that_do_not_answer_delay_those_of_no_other_tunnel() -> None:
    two, answers, called = Two(), asyncio.Event(), list[str]()

    async def dispatch(claim: Claim, current: Subscription) -> float:
        called.append(claim.tunnel_id)
        if claim.tunnel_id == "slow":
            await answers.wait()
        return 0.0

    two.a._dispatch = dispatch  # type: ignore[method-assign]
    names = [DONE._replace(id=f"id-{number}") for number in range(OWN_TUNNELS)]
    slow = [asyncio.create_task(two.a.announce_own("slow", event, "", "desk")) for event in names]
    await asyncio.sleep(0.01)
    await asyncio.wait_for(two.a.announce_own("quick", DONE._replace(id="other"), "", "desk"), 10)
    assert called == ["slow", "quick"]
    answers.set()
    await asyncio.gather(*slow)


async def test_a_device_is_looked_at_as_long_as_one_of_its_sockets_says_so() -> None:
    two = Two()
    watching = await begun(two)
    front, back = "front", "back"
    watching.notifier.visible("phone", front, True, [front, back])
    watching.notifier.visible("phone", back, False, [front, back])
    watching.notifier.look(None, OUTPUT)
    await watching.settle()
    assert two.a.posted == []
    watching.notifier.visible("phone", back, False, [back])  # the other one has closed
    watching.notifier.look(None, OUTPUT)
    await watching.settle()
    assert len(two.a.posted) == 1


async def test_events_wait_for_the_subscriptions_while_the_store_is_away(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("tiflis.relay.push.notifier.LOAD_PAUSE", 0.0)
    two = Two()
    watching, two.store.ready = Watching(two), False
    watching.notifier.begin()
    watching.notifier.look(None, OUTPUT)
    for _ in range(3):
        await asyncio.sleep(0)
    two.store.ready = True
    await watching.settle()
    assert len(two.a.posted) == 1


async def test_the_next_home_knows_who_looks_and_that_the_workstation_is_away() -> None:
    two = Two()
    first, second = Watching(two), Watching(two)
    first.notifier.begin()
    await first.settle()
    first.notifier.visible("phone", "socket", True, ["socket"])
    first.home.workstation_online = second.home.workstation_online = False
    first.notifier.workstation_offline()
    two.clock.now += 5
    second.notifier.take(*first.notifier.export())
    await second.settle()
    second.notifier.look(None, OUTPUT)
    await second.settle()
    assert two.a.posted == [], "a person looks at the device"
    [(seconds, report)] = second.timers
    assert seconds == OFFLINE_SECONDS - 5
    two.clock.now += seconds
    report()
    await second.settle()
    assert len(two.a.posted) == 1
    assert two.a.posted[0].startswith("offline-")


async def test_a_workstation_that_has_been_back_is_not_reported_by_its_first_absence() -> None:
    two = Two()
    watching = await begun(two)
    watching.home.workstation_online = False
    watching.notifier.workstation_offline()
    two.clock.now += 50
    watching.notifier.workstation_offline()
    [(_, first), (_, second)] = watching.timers
    first()
    await watching.settle()
    assert two.a.posted == []
    second()
    await watching.settle()
    assert len(two.a.posted) == 1


async def test_events_of_one_tunnel_that_wait_are_bounded() -> None:
    two = Two()
    two.store.away = True
    events = [DONE._replace(id=f"id-{number}") for number in range(DEVICES_WAITING + 10)]
    waiting = [asyncio.create_task(two.a.notify("t", SUBSCRIPTION, event, "")) for event in events]
    await asyncio.sleep(0)
    assert sum(task.done() for task in waiting) == 10
    assert two.a._waiting == {("t", ""): DEVICES_WAITING}
    for task in waiting:
        task.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)
    assert not two.a._waiting


async def test_a_tunnels_notifiers_go_with_their_devices_right_to_manage_it() -> None:
    two = Two()
    watching, set_to = Watching(two), list[Notifiers]()

    async def notifiers(tunnel_id: str) -> tuple[Notifiers, int]:
        return Notifiers(["ntfy+https://ntfy.example.org/topic"], "", "KEY"), 1

    async def set_notifiers(tunnel_id: str, wanted: Notifiers) -> None:
        set_to.append(wanted)

    two.store.notifiers = notifiers  # type: ignore[method-assign]
    two.store.set_notifiers = set_notifiers  # type: ignore[attr-defined]
    await watching.notifier.changed(TUNNEL)
    assert (watching.notifier.watching, set_to) == (True, [])
    watching.home.allowed = False  # its scope is narrower now
    watching.notifier.check_keys()
    await watching.settle()
    assert set_to == [Notifiers()]

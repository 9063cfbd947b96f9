"""The ledger of pinned bytes: what has room, and that everything comes back."""

from __future__ import annotations

from tiflis.relay.pinned import NO_TUNNEL, Kind, Pinned, Shares


def test_a_tunnel_takes_no_more_than_its_share() -> None:
    pinned = Pinned(Shares(tunnel=100, worker=1000))
    held = pinned.account("t").hold(Kind.MESSAGES)
    assert held.take(90)
    assert not pinned.account("t").hold(Kind.MESSAGES).take(11)
    assert pinned.account("other").hold(Kind.MESSAGES).take(100)
    held.release()
    assert pinned.account("t").hold(Kind.MESSAGES).take(100)


def test_all_tunnels_together_take_no_more_than_the_workers_share() -> None:
    pinned = Pinned(Shares(tunnel=100, worker=150))
    first, second = pinned.account("a").hold(Kind.MESSAGES), pinned.account(NO_TUNNEL).hold(Kind.BODIES)
    assert first.take(100)
    assert not second.take(51)
    assert second.take(50)


def test_stalled_bodies_answers_and_queues_leave_room_for_messages() -> None:
    account = Pinned(Shares(tunnel=100, worker=1000)).account("t")
    holds = {kind: account.hold(kind) for kind in (Kind.BODIES, Kind.ANSWERS, Kind.QUEUES)}
    for hold in holds.values():
        assert hold.take(25)
        assert not hold.take(1)
    assert account.room(Kind.MESSAGES) == 25


def test_what_was_counted_is_given_back_when_its_block_ends_or_it_moves() -> None:
    pinned = Pinned()
    with pinned.account(NO_TUNNEL).hold(Kind.BODIES) as held:
        held.take(70)
        held.move(pinned.account("t"))
        assert [(account.tunnel_id, account.total) for account in pinned.accounts()] == [("t", 70)]
    assert (pinned.total, pinned.accounts()) == (0, [])


def test_a_sample_replaces_the_one_before() -> None:
    pinned = Pinned()
    pinned.sample(Kind.UNSENT, {"a": 5, "b": 7})
    pinned.sample(Kind.UNSENT, {"b": 3})
    assert {account.tunnel_id: account.kinds[Kind.UNSENT] for account in pinned.accounts()} == {"b": 3}
    pinned.sample(Kind.UNSENT, {})
    assert pinned.total == 0

"""The withheld answer "offline" of clients whose channel to the home breaks meanwhile: it still arrives."""

import pytest

from tests.relay.fakes import FakeWire
from tests.relay.town import Town
from tiflis.relay.home import Home


async def waiting_at_c(town: Town) -> tuple[Home, FakeWire]:
    """Return the home, which withholds its answers, and a client elsewhere that waits for one."""
    old = await town.workstation("a")
    home = town.home("a")
    old.end()
    home.presence.grace_over()
    home.expect_back(town.hubs["a"].router.now())
    return home, await town.client("c")


def break_channel(town: Town) -> None:
    """End the channel between the home and the edge on both sides; both workers live on."""
    [way] = [end for end in town.cable.ends if end.peer == "a" and end.other.peer == "c" and not end.ended]
    for end in (way.other, way):
        end.end()


async def test_a_client_whose_channel_breaks_is_answered_once_it_is_back(town: Town) -> None:
    home, phone = await waiting_at_c(town)
    break_channel(town)
    await town.until(lambda: any(one.sockets() for one in home.edge_sessions))
    home.presence.answer_waiting()
    await town.settle()
    assert phone.codes() == ["WORKSTATION_OFFLINE"]


async def test_a_tunnel_moves_while_the_channel_of_a_waiting_client_is_broken(
    town: Town, caplog: pytest.LogCaptureFixture
) -> None:
    """The client is in transit when the answer is released: it carries the answer to the next home."""
    home, phone = await waiting_at_c(town)
    break_channel(town)
    assert home.transit.places()
    await town.workstation("b")
    await town.until(lambda: "connected" in phone.types)
    assert (set(town.hubs["a"].router.homes), phone.codes()) == (set(), ["WORKSTATION_OFFLINE"])
    assert "background work failed" not in caplog.text


async def test_what_a_closing_channel_does_not_take_costs_the_other_devices_nothing(town: Town) -> None:
    desk = await town.workstation("a")
    phones = [await town.client(worker, worker) for worker in ("b", "c")]
    for phone in phones:
        phone.take()
    for end in town.cable.ends:
        if end.peer == "b":
            end.close()  # by the home: its worker is about to end
            break
    desk.say({"type": "note", "n": 1})
    desk.end()
    town.home("a").presence.grace_over()
    await town.settle()
    assert "note" in phones[1].types
    assert "connection.workstation_offline" in phones[1].types

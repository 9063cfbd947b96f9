"""Channels over a network that drops, repeats, reorders, stalls and goes away, from a seed."""

import random

import pytest

from tests.bus.simulation import Faults, Recorder, SimClock, SimNetwork, SimWorker
from tiflis.bus.channels.channel import Channel
from tiflis.bus.channels.peer import CHUNK_SIZE
from tiflis.bus.channels.streams import HARD_CAP, HIGH_WATER, WINDOW
from tiflis.bus.errors import ChannelClosed

BAD = Faults(drop=0.1, duplicate=0.1, jitter=0.02)


class Pair:
    """Two workers and the network between them."""

    def __init__(self, seed: int = 1, faults: Faults | None = None) -> None:
        self.clock = SimClock()
        self.network = SimNetwork(self.clock, seed, faults or Faults())
        self.a = SimWorker(self.network, "h-0-aaa")
        self.b = SimWorker(self.network, "h-1-bbb")

    def connect(self, tunnel_id: str = "T") -> tuple[Channel, Recorder, Channel, Recorder]:
        """Open a channel from a; return it and both ends' handlers."""
        near, near_saw = self.a.open("h-1-bbb", tunnel_id)
        known = len(self.b.accepted)
        assert self.clock.run_until(lambda: len(self.b.accepted) > known, self.clock.time() + 30)
        far, far_saw = self.b.accepted[-1]
        return near, near_saw, far, far_saw

    def heal(self) -> None:
        self.network.faults = Faults()
        for worker in (self.a, self.b):
            worker.link.come_up()
            worker.link.go_on()


def numbered(source: random.Random, count: int) -> list[bytes]:
    """Messages that differ; one in twenty needs several chunks."""
    sizes = [source.choice((0, 1, 10, 200, 200, 2000, 60_000)) for _ in range(count)]
    sizes = [
        source.randrange(CHUNK_SIZE, 8 * CHUNK_SIZE) if source.random() < 0.05 else size for size in sizes
    ]
    return [b"%d:" % number + source.randbytes(size) for number, size in enumerate(sizes)]


@pytest.mark.parametrize("seed", range(12))
def test_everything_arrives_once_and_in_order_over_a_bad_network(seed: int) -> None:
    pair, source = Pair(seed, BAD), random.Random(seed)
    near, near_saw, far, far_saw = pair.connect()
    there, back = numbered(source, 300), numbered(source, 300)
    for message, answer in zip(there, back, strict=True):
        near.send(message)
        far.send(answer)
        worker = source.choice((pair.a, pair.b))
        step = source.random()
        if step < 0.03:
            worker.link.go_down()
        elif step < 0.06:
            worker.link.stall()
        elif step < 0.20:
            worker.link.come_up()
            worker.link.go_on()
        end = source.choice((near, far))
        if source.random() < 0.5:
            end.hold()
        else:
            end.resume()
        pair.clock.run(source.random() * 0.05)
    pair.heal()
    near.resume()
    far.resume()
    assert pair.clock.run_until(
        lambda: len(far_saw.received_) == 300 and len(near_saw.received_) == 300, pair.clock.time() + 120
    )
    pair.clock.run(5)
    assert far_saw.received_ == there
    assert near_saw.received_ == back
    assert near.buffered == far.buffered == 0


@pytest.mark.parametrize("seed", range(40))
def test_after_close_each_message_is_either_consumed_or_handed_back(seed: int) -> None:
    pair, source = Pair(seed, BAD), random.Random(seed)
    near, near_saw, far, far_saw = pair.connect()
    there, back = numbered(source, 60), numbered(source, 60)
    closer = source.choice((near, far, None))
    when = source.randrange(60)
    sent_there: list[bytes] = []
    sent_back: list[bytes] = []
    for number in range(60):
        for channel, sent, message in ((near, sent_there, there[number]), (far, sent_back, back[number])):
            if source.random() < 0.02:
                channel.hold()
            try:
                channel.send(message)
            except ChannelClosed:
                continue
            sent.append(message)
        if number == when:
            for channel in (near, far):
                if closer is None or closer is channel:
                    channel.close()
        pair.clock.run(source.random() * 0.03)
    pair.heal()
    near.resume()
    far.resume()
    assert pair.clock.run_until(lambda: near.ended and far.ended, pair.clock.time() + 120)
    assert near_saw.undelivered is not None and far_saw.undelivered is not None
    assert far_saw.received_ + near_saw.undelivered == sent_there
    assert near_saw.received_ + far_saw.undelivered == sent_back
    assert pair.a.bus.channels == pair.b.bus.channels == 0
    if closer is near:
        assert near_saw.undelivered == []


def test_small_messages_of_one_turn_share_a_packet() -> None:
    pair = Pair()
    near, _, _, far_saw = pair.connect()
    pair.clock.run(1)
    before = pair.network.packets
    for number in range(100):
        near.send(b"%d" % number)
    assert pair.clock.run_until(lambda: len(far_saw.received_) == 100, pair.clock.time() + 1)
    assert pair.network.packets - before == 1


def test_a_message_may_come_in_parts() -> None:
    pair = Pair()
    near, _, _, far_saw = pair.connect()
    near.send([b"one ", b"message"])
    pair.clock.run(1)
    assert far_saw.received_ == [b"one message"]


@pytest.mark.parametrize("limit", [1024, 4096, 64 * 1024, 131 * 1024])
def test_no_packet_is_larger_than_the_server_takes(limit: int) -> None:
    pair = Pair()
    for worker in (pair.a, pair.b):
        worker.link.max_payload = limit
    near, _, _, far_saw = pair.connect()
    near.send(bytes(1_000_000))
    pair.clock.run(2)
    assert far_saw.received_ == [bytes(1_000_000)]
    assert pair.a.link.largest <= limit


def test_a_held_reader_gets_no_more_than_the_window_and_holds_up_only_itself() -> None:
    pair = Pair()
    slow, _, slow_far, slow_saw = pair.connect("slow")
    quick, _, _, quick_saw = pair.connect("quick")
    slow_far.hold()
    message = bytes(100_000)
    while slow.writable:
        slow.send(message)
        quick.send(b"x")
        pair.clock.run(0.01)
    pair.clock.run(5)
    assert slow_saw.received_ == []
    assert sum(len(chunk) for chunk, _ in slow_far.incoming.waiting) <= WINDOW
    assert HIGH_WATER <= slow.buffered <= HIGH_WATER + 2 * len(message)
    assert len(quick_saw.received_) > 50
    slow_far.resume()
    pair.clock.run(5)
    assert slow.writable and slow.buffered == 0


def test_the_writer_stops_and_goes_on_with_the_credit() -> None:
    pair = Pair()
    near, near_saw, far, _ = pair.connect()
    far.hold()
    for _ in range(90):
        near.send(bytes(100_000))
    pair.clock.run(1)
    assert near_saw.writable == [False]
    far.resume()
    pair.clock.run(3)
    assert near_saw.writable == [False, True]


def test_a_channel_over_its_cap_is_closed_with_everything_handed_back() -> None:
    pair = Pair()
    near, near_saw, far, far_saw = pair.connect()
    far.hold()
    message = bytes(8 * 1024 * 1024)
    for _ in range(HARD_CAP // len(message) + 1):
        near.send(message)
    pair.clock.run(1)
    assert near_saw.undelivered is not None
    assert len(near_saw.undelivered) == HARD_CAP // len(message) + 1
    assert far.ended and far_saw.received_ == []


def test_closing_from_inside_a_message_consumes_that_one_and_no_other() -> None:
    pair = Pair()
    near, near_saw, _far, far_saw = pair.connect()
    far_saw.on_message = lambda channel, message: channel.close() if message == b"3" else None
    for number in range(10):
        near.send(b"%d" % number)
    pair.clock.run(1)
    assert far_saw.received_ == [b"0", b"1", b"2", b"3"]
    assert near_saw.undelivered == [b"%d" % number for number in range(4, 10)]
    with pytest.raises(ChannelClosed):
        near.send(b"too late")


def test_both_ends_may_close_with_full_windows() -> None:
    pair = Pair()
    near, near_saw, far, far_saw = pair.connect()
    near.hold()
    far.hold()
    for _ in range(10):
        near.send(bytes(1_000_000))
        far.send(bytes(1_000_000))
    pair.clock.run(1)
    near.close()
    far.close()
    pair.clock.run(1)
    assert near_saw.undelivered is not None and len(near_saw.undelivered) == 10
    assert far_saw.undelivered is not None and len(far_saw.undelivered) == 10


def test_a_peer_that_does_not_answer_gives_everything_back_after_a_deadline() -> None:
    pair = Pair()
    channel, saw = pair.a.open("h-7-nobody", "T")
    channel.send(b"hello?")
    pair.clock.run(4)
    assert saw.undelivered is None
    pair.clock.run(2)
    assert saw.undelivered == [b"hello?"]


def test_a_peer_that_is_gone_gives_everything_back_at_once() -> None:
    pair = Pair()
    channel, saw = pair.a.open("h-7-nobody", "T")
    channel.send(b"hello?")
    pair.clock.run(0.1)
    pair.a.bus.peer_gone("h-7-nobody")
    assert saw.undelivered == [b"hello?"]


def test_a_peer_wrongly_reported_gone_receives_what_was_consumed() -> None:
    pair = Pair()
    _near, near_saw, far, far_saw = pair.connect()
    far.send(b"consumed")
    pair.clock.run(1)
    pair.a.link.go_down()  # the goodbye is lost
    pair.a.bus.peer_gone("h-1-bbb")
    pair.clock.run(1)
    far.send(b"never seen")
    pair.clock.run(1)
    assert far_saw.undelivered is None
    pair.a.link.come_up()
    pair.clock.run(2)
    assert near_saw.received_ == [b"consumed"]
    assert far_saw.undelivered == [b"never seen"]


def test_an_idle_end_notices_that_the_other_end_has_forgotten_it() -> None:
    pair = Pair()
    _, _, far, far_saw = pair.connect()
    pair.clock.run(1)
    pair.network.faults = Faults(drop=1.0)
    pair.a.bus.peer_gone("h-1-bbb")
    pair.clock.run(1)
    pair.network.faults = Faults()
    pair.clock.run(20)
    assert far.ended and far_saw.undelivered == []


def test_an_unreported_peer_is_given_up_after_a_minute_of_silence() -> None:
    pair = Pair()
    near, near_saw, _, _ = pair.connect()
    pair.clock.run(1)
    pair.b.bus.close()
    near.send(b"anyone?")
    pair.clock.run(55)
    assert near_saw.undelivered is None
    pair.clock.run(10)
    assert near_saw.undelivered == [b"anyone?"]


def test_a_long_outage_ends_no_channel_and_piles_nothing_up() -> None:
    pair = Pair()
    near, near_saw, _, far_saw = pair.connect()
    pair.clock.run(1)
    pair.a.link.go_down()
    pair.b.link.go_down()
    near.send(b"patience")
    for _ in range(60):
        channel, _ = pair.a.open("h-1-bbb", "T")
        channel.send(bytes(1000))
        pair.clock.run(5)
    (connection,) = pair.a.bus._connections.values()
    assert len(connection._sending) + len(connection._control) < 20
    assert near_saw.undelivered is None
    pair.b.link.come_up()
    pair.a.link.come_up()
    pair.clock.run(1)
    assert far_saw.received_ == [b"patience"]


def test_a_worker_that_comes_back_under_its_id_ends_what_its_former_life_had() -> None:
    pair = Pair()
    near, near_saw, _, _ = pair.connect()
    pair.clock.run(1)
    pair.b.bus.close()
    again = SimWorker(pair.network, "h-1-bbb", epoch=2)
    near.send(b"for the former")
    pair.clock.run(2)
    assert near_saw.undelivered == [b"for the former"]
    channel, _ = pair.a.open("h-1-bbb", "T")
    channel.send(b"for the new one")
    pair.clock.run(1)
    assert again.accepted[0][1].received_ == [b"for the new one"]


def test_a_restarted_worker_ends_idle_channels_with_its_first_packet() -> None:
    pair = Pair()
    _, near_saw, _, _ = pair.connect()
    pair.clock.run(2.5)  # the question on idle channels has just been asked
    pair.b.bus.close()
    SimWorker(pair.network, "h-1-bbb", epoch=2).open("h-0-aaa", "T")
    pair.clock.run(0.1)
    assert near_saw.undelivered == []


def test_an_open_that_comes_late_does_not_bring_a_channel_back() -> None:
    pair = Pair()
    opens: list[bytes] = []
    pair.network.subscribers[b"tiflis.w.h-1-bbb"].append(
        (pair.a.link, lambda _, packet: opens.append(packet))
    )
    near, _, _, _ = pair.connect()
    near.close()
    pair.clock.run(1)
    pair.network.carry(b"tiflis.w.h-1-bbb", opens[0])
    pair.clock.run(1)
    assert len(pair.b.accepted) == 1 and pair.b.bus.channels == 0


def test_what_arrives_right_after_resume_does_not_overtake_what_waited() -> None:
    pair = Pair()
    switch, _, _, switch_saw = pair.connect("switch")
    near, _, far, far_saw = pair.connect("held")
    far.hold()
    near.send(b"1")
    pair.clock.run(1)
    switch_saw.on_message = lambda _channel, _message: far.resume()
    switch.send(b"go on")
    near.send(b"2")
    pair.clock.run(1)
    assert far_saw.received_ == [b"1", b"2"]


def test_a_channel_carries_its_tunnel_id() -> None:
    pair = Pair()
    _, _, far, _ = pair.connect("Ab-_9")
    assert (far.peer, far.tunnel_id) == ("h-0-aaa", "Ab-_9")


def test_a_failing_handler_costs_neither_the_channel_nor_the_next_message() -> None:
    pair = Pair()
    near, _, _, far_saw = pair.connect()

    def fail(_channel: Channel, message: bytes) -> None:
        if message == b"bad":
            raise RuntimeError("a bug")

    far_saw.on_message = fail
    near.send(b"bad")
    near.send(b"good")
    pair.clock.run(1)
    assert far_saw.received_ == [b"bad", b"good"]


@pytest.mark.parametrize("peer", ["", "a.b", "*", ">", "x y", "a\r\nb", "ü", "x" * 129])
def test_ids_that_mean_something_in_a_subject_are_refused(peer: str) -> None:
    pair = Pair()
    with pytest.raises(ValueError):
        pair.a.open(peer, "T")
    with pytest.raises(ValueError):
        pair.a.open("h-1-bbb", peer)


@pytest.mark.parametrize("seed", range(5))
def test_no_bytes_on_the_inbox_are_an_error(seed: int) -> None:
    pair, source = Pair(), random.Random(seed)
    _near, _, _, _far_saw = pair.connect()
    header = bytes([17, 1]) + (1).to_bytes(8, "little") + b"h-0-aaa"
    for _ in range(2000):
        body = source.randbytes(source.randrange(40))
        if source.random() < 0.5:
            body = bytes([source.randrange(10)]) + body
        prefix = source.choice((b"", header, header[: source.randrange(len(header))]))
        pair.network.carry(b"tiflis.w.h-1-bbb", prefix + body)
    pair.clock.run(30)

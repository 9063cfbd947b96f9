"""A watch's queue: numbers, bounds, streams, and when a gap is announced."""

from tiflis.relay.watch.queue import Bounds, Message, WatchQueue


def message(text: bytes = b"{}", at: float = 0.0, key: tuple[str, str] | None = None) -> Message:
    return Message(text, "2026-01-15T12:00:00.000Z", at, key)


def queue_of(count: int, bounds: Bounds | None = None) -> WatchQueue:
    queue = WatchQueue(bounds or Bounds())
    for number in range(1, count + 1):
        queue.append(message(b'{"n":%d}' % number))
    queue.store(count)
    return queue


def numbers(queue: WatchQueue, since: int = 0) -> list[int]:
    return [number for number, _ in queue.read(since).messages]


def test_numbers_start_at_one_and_follow_each_other() -> None:
    assert numbers(queue_of(3)) == [1, 2, 3]


def test_a_fresh_queue_has_missed_nothing() -> None:
    assert queue_of(0).read(0) == ([], 0, 0, False)


def test_a_message_is_shown_only_once_it_is_stored() -> None:
    queue = queue_of(2)
    queue.append(message())
    assert queue.read(0)[1:] == (2, 1, False)
    assert numbers(queue) == [1, 2]
    queue.store(3)
    assert numbers(queue) == [1, 2, 3]


def test_since_gives_what_is_above_it() -> None:
    assert numbers(queue_of(5), since=3) == [4, 5]


def test_acknowledged_messages_go_and_are_not_missed() -> None:
    queue = queue_of(5)
    assert queue.acknowledge(3)
    assert queue.read(0)[1:] == (5, 4, False)
    assert numbers(queue) == [4, 5]
    assert not queue.acknowledge(3)


def test_an_acknowledgement_of_numbers_never_shown_is_ignored() -> None:
    queue = queue_of(2)
    assert not queue.acknowledge(57)
    assert numbers(queue) == [1, 2]


def test_a_number_from_another_life_gets_everything_and_a_gap() -> None:
    queue = queue_of(2)
    reading = queue.read(57)
    assert [number for number, _ in reading.messages] == [1, 2]
    assert reading.missed


def test_the_oldest_go_first_and_are_missed() -> None:
    queue = queue_of(105)
    assert numbers(queue) == list(range(6, 106))
    assert queue.read(4).missed
    assert not queue.read(5).missed


def test_bytes_are_bounded_too() -> None:
    queue = WatchQueue(Bounds(size=10))
    for _ in range(4):
        queue.append(message(b"1234"))
    queue.store(4)
    assert numbers(queue) == [3, 4]
    assert queue.size == 8


def test_a_message_larger_than_the_queue_is_a_gap() -> None:
    queue = WatchQueue(Bounds(size=10))
    queue.append(message(b"12345678901"))
    queue.store(1)
    assert queue.read(0) == ([], 1, 1, True)
    assert queue.size == 0


def test_messages_are_missed_once_they_are_too_old() -> None:
    queue = WatchQueue(Bounds(age=300))
    queue.append(message(at=0))
    queue.append(message(at=1))
    queue.store(2)
    queue.expire(299.9)
    assert numbers(queue) == [1, 2]
    queue.expire(300.0)
    assert numbers(queue) == [2]
    assert queue.read(0).missed


def test_a_growing_answer_takes_one_place_and_nothing_is_missed() -> None:
    queue = queue_of(1)
    for text in (b"1", b"12", b"123"):
        queue.append(message(text, key=("session.output", "answer")))
    queue.append(message(b"other", key=("session.output", "another")))
    queue.store(5)
    assert numbers(queue) == [1, 4, 5]
    assert not queue.read(1).missed


def test_a_snapshot_does_not_take_back_what_was_read() -> None:
    queue = queue_of(0)
    queue.append(message(key=("a", "b")))
    queue.store(1)
    queue.acknowledge(1)
    queue.append(message(key=("a", "b")))
    queue.store(2)
    assert numbers(queue) == [2]


SNAPSHOT = ("session.output", "answer")


def texts(queue: WatchQueue) -> list[bytes]:
    return [message.text for _, message in queue.read(0).messages]


def test_a_stored_snapshot_is_shown_until_a_newer_one_is_stored() -> None:
    queue = queue_of(0)
    queue.append(message(b"1", key=SNAPSHOT))
    queue.store(1)
    for text in (b"12", b"123"):
        queue.append(message(text, key=SNAPSHOT))
        assert texts(queue) == [b"1"]
    queue.store(3)
    assert texts(queue) == [b"123"]
    assert len(queue) == 1


def test_a_snapshot_that_is_being_written_is_shown_though_newer_ones_have_come() -> None:
    queue = queue_of(0)
    for text in (b"1", b"12", b"123", b"1234"):
        queue.append(message(text, key=SNAPSHOT))
        if text == b"12":
            queue.write(queue.last)
    queue.store(2)
    assert texts(queue) == [b"12"]
    assert len(queue) == 2


def test_writes_that_fail_pile_up_no_snapshots() -> None:
    queue = queue_of(0)
    for _ in range(20):
        queue.append(message(b"1", key=SNAPSHOT))
        queue.write(queue.last)
        queue.give_up()
    assert len(queue) == 1


def test_a_replaced_snapshot_makes_room_before_anything_is_lost() -> None:
    queue = WatchQueue(Bounds(messages=2, size=10))
    queue.append(message(b"1", key=SNAPSHOT))
    queue.store(1)
    queue.append(message(b"other"))
    queue.append(message(b"12", key=SNAPSHOT))
    queue.store(2)
    assert texts(queue) == [b"1", b"other"]
    queue.append(message(b"12345", key=SNAPSHOT))
    queue.store(4)
    assert texts(queue) == [b"other", b"12345"]
    assert not queue.read(0).missed


def test_a_snapshot_that_is_lost_takes_its_earlier_ones_along() -> None:
    queue = WatchQueue(Bounds(messages=2))
    queue.append(message(b"1", key=SNAPSHOT))
    queue.store(1)
    for text, key in ((b"12", SNAPSHOT), (b"a", None), (b"b", None)):
        queue.append(message(text, key=key))
    assert numbers(queue) == []
    queue.store(4)
    assert numbers(queue) == [3, 4]
    assert queue.read(0).missed


def test_a_skipped_number_is_a_gap_until_it_is_taken_over() -> None:
    queue = queue_of(3)
    queue.skip()
    assert queue.read(3).missed
    assert queue.read(3).current == 4
    assert not queue.read(4).missed


def test_a_shared_message_is_released_by_its_last_holder() -> None:
    released: list[Message] = []
    one, two = (WatchQueue(Bounds(), released.append) for _ in range(2))
    shared = message()
    for queue in (one, two):
        queue.append(shared)
        queue.store(1)
    one.acknowledge(1)
    assert released == []
    two.clear()
    assert released == [shared]

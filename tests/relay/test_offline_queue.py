"""Messages for a workstation that is away for a moment: bounded, in order, never lost silently."""

from tiflis.relay.offline_queue import OfflineQueue, QueuedMessage


def message(size: int, name: str = "phone") -> QueuedMessage:
    return QueuedMessage(name, b"", b"x" * size)


def test_first_come_first_served() -> None:
    room = OfflineQueue(100)
    come = [message(10, str(number)) for number in range(5)]
    assert all(room.enter(each) for each in come)
    assert room.seen() == come
    assert room.leave() == come
    assert room.leave() == []


def test_a_full_room_refuses_and_keeps_what_it_has() -> None:
    room = OfflineQueue(100)
    assert [room.enter(message(60)), room.enter(message(60)), room.enter(message(40))] == [True, False, True]
    assert len(room.leave()) == 2


def test_a_message_above_the_limit_finds_room_if_it_is_alone() -> None:
    room = OfflineQueue(100)
    assert room.enter(message(1000))
    assert not room.enter(message(1))


def test_an_emptied_room_has_room() -> None:
    room = OfflineQueue(100)
    room.enter(message(100))
    room.leave()
    assert room.enter(message(100))


def test_those_of_the_old_home_came_first() -> None:
    room = OfflineQueue(100)
    room.enter(message(30, "new"))
    room.before([message(30, "old 1"), message(30, "old 2")])
    assert [each.device_id for each in room.seen()] == ["old 1", "old 2", "new"]
    assert not room.enter(message(30)), "they count"

"""Names that workers of two releases write to each other during a reload: they never change."""

import msgspec

from tiflis.handoff.messages import HandoffRequest, SocketState
from tiflis.protocol.errors import SendFailed
from tiflis.relay.remote import envelope
from tiflis.relay.remote.snapshot import EdgeSnapshot, HomeState
from tiflis.relay.sessions.session import SessionState
from tiflis.relay.watch.calls import Command, State
from tiflis.relay.watch.interfaces import WatchesMoved


def test_a_handed_over_socket_keeps_its_field_names() -> None:
    socket = SocketState(SessionState("client", 1), {})
    written = msgspec.msgpack.decode(
        msgspec.msgpack.encode(HandoffRequest(2, "home", "a", "t", [socket], {}, b""))
    )
    assert written.keys() == {"version", "kind", "sender", "tunnel_id", "luggage", "record", "state"}
    assert written["luggage"][0].keys() == {"passport", "state"}
    assert written["luggage"][0]["passport"] == {"role": "client", "number": 1}


def test_a_homes_state_keeps_its_field_names() -> None:
    state = HomeState([], [], {}, [], [], True, False, True, [EdgeSnapshot("a")])
    written = msgspec.msgpack.decode(msgspec.msgpack.encode(state))
    assert [*written] == [
        "waiting",
        "departed",
        "seen",
        "introduced",
        "requests",
        "online",
        "grace",
        "written_down",
        "parties",
        "looked_at",
        "offline",
    ]
    assert written["parties"] == [["a", [], [], [], []]]


def test_refused_calls_keep_their_names() -> None:
    assert b"DeskClosed" in envelope.failed(WatchesMoved())
    assert b"SendFailed" in envelope.failed(SendFailed())


def test_a_watchs_call_travels_as_operation_fields_and_text() -> None:
    whole = b"".join(envelope.call(7, Command("watch-1", "key", b"text")))
    packed = msgspec.msgpack.encode(("command", {"device_id": "watch-1", "auth_key": "key"}))
    assert whole.endswith(packed + b"text")
    assert envelope.read_call(whole) == (7, Command("watch-1", "key", b"text"))


def test_a_call_of_another_version_is_read_without_what_this_one_lacks() -> None:
    more = b"".join(envelope.call(7, State("watch-1", "key"))).replace(b"auth_key", b"new_name")
    assert envelope.read_call(more) == (7, State("watch-1"))
    assert envelope.read_call(more.replace(b"state", b"other")) == (7, None)

"""The kept inputs of the fuzzer, without it; and that each target would notice a server that does wrong."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tiflis.bus.nats.protocol import NatsProtocol
from tiflis.protocol import head
from tiflis.protocol.frames import FrameReader
from tiflis.protocol.routing import Requests
from tiflis.relay.remote import envelope
from tools.fuzz import corpus
from tools.fuzz.targets import TARGETS, checked, quiet

SIZE_LIMIT = 300 * 1024  # bytes of all kept inputs as they lie there


@pytest.mark.parametrize("target", TARGETS)
def test_no_kept_input_breaks_the_server(target: str) -> None:
    with quiet() as errors:
        once = checked(target, errors)
        for data in inputs(target):
            once(data)


def inputs(target: str) -> list[bytes]:
    return [*TARGETS[target].seeds, *corpus.kept(target)]


def test_what_is_kept_is_little() -> None:
    files = list(corpus.FOLDER.iterdir())
    assert {file.stem for file in files} == set(TARGETS)
    assert sum(file.stat().st_size for file in files) <= SIZE_LIMIT


def _forgetful(export: Callable[[FrameReader], dict[str, Any]]) -> Callable[[FrameReader], dict[str, Any]]:
    return lambda reader: export(reader) | {"key": b"\0\0\0\0"}


def _deaf(read: Callable[[NatsProtocol, bytes], tuple[int, int]]) -> Any:
    return lambda link, data: (max(0, read(link, data)[0] - 1), 0)


WRONG = {
    "frames": (FrameReader, "export", _forgetful(FrameReader.export)),
    "heads": (head, "device_suffix", lambda device_id: b',"device_id":"other"}'),
    "conversations": (Requests, "asker", lambda *_: None),
    "requests": ("tiflis.web.watch_parameters", "is_tunnel_id", lambda text: True),
    "scopes": ("tiflis.protocol.scopes", "check_form", lambda found, text: None),
    "nats": (NatsProtocol, "_parse", _deaf(NatsProtocol._parse)),
    "packets": ("tiflis.bus.channels.peer", "StructError", KeyError),
    "envelopes": (envelope, "read_numbered", lambda message: (0, message)),
}


@pytest.mark.parametrize("target", TARGETS)
def test_the_kept_inputs_would_show_a_fault(target: str, monkeypatch: pytest.MonkeyPatch) -> None:
    where, name, wrong = WRONG[target]
    if isinstance(where, str):
        monkeypatch.setattr(f"{where}.{name}", wrong)
    else:
        monkeypatch.setattr(where, name, wrong)
    with quiet() as errors, pytest.raises(Exception):  # noqa: B017 - whatever it is, it is noticed
        for data in inputs(target):
            checked(target, errors)(data)

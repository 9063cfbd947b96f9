"""The Autobahn script's own parts, as far as they need no Python 2.7."""

import json
from pathlib import Path

import pytest
from websockets.asyncio.client import connect

from tools.autobahn.echo import serving
from tools.autobahn.run import Missing, Verdict, judge, python27, read_verdicts


async def test_the_echo_server_returns_what_it_gets() -> None:
    async with serving() as port, connect(f"ws://127.0.0.1:{port}") as client:
        for message in ("", "żółw 🐢" * 20_000, b"\x00\xff"):
            await client.send(message)
            assert await client.recv() == message
        await (await client.ping(b"are you there"))
    assert client.close_code == 1000


@pytest.mark.parametrize("python", ["/nowhere/python2.7", "/bin/false"])
def test_a_missing_python_is_named_with_what_to_do(python: str) -> None:
    with pytest.raises(Missing, match=f"{python} is no usable Python 2.7.*--python"):
        python27(python)


def test_a_report_is_read(tmp_path: Path) -> None:
    index = tmp_path / "index.json"
    index.write_text(
        json.dumps({"tiflis": {"1.1.1": {"behavior": "OK", "behaviorClose": "OK", "duration": 2}}})
    )
    assert read_verdicts(index) == [Verdict("1.1.1", "OK", "OK")]
    with pytest.raises(Missing, match="no report"):
        read_verdicts(tmp_path / "none.json")


def test_one_case_that_fails_or_lacks_fails_the_run() -> None:
    held = [Verdict(f"1.{number}", "OK", "INFORMATIONAL") for number in range(247)]
    assert judge(held, whole_core=True)
    assert not judge(held[:-1], whole_core=True)
    assert judge(held[:-1], whole_core=False)
    assert not judge([*held[:-1], Verdict("6.4.1", "NON-STRICT", "OK")], whole_core=True)
    assert not judge([*held[:-1], Verdict("7.1.1", "OK", "FAILED")], whole_core=True)
    assert not judge([], whole_core=False)

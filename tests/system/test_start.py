"""A server starts with unusual folders, descriptors and limits."""

from __future__ import annotations

import asyncio
import os
import resource
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.harness import Server, crowd, eventually

NAMES = (
    "dätä 日本",
    "sp ace",
    'quo"te',
    "it's",
    "back\\slash",
    "$HOME",
    "#hash",
    "new\nline",
    "{brace}",
    "%41",
)
FEW = 128  # descriptors
ENDS = 400  # sockets


async def relays(server: Server) -> None:
    """Check that a message reaches its workstation."""
    async with crowd(server) as people:
        workstation, tunnel_id = await people.workstation()
        client = await people.client(tunnel_id)
        await client.send({"type": "hello"})
        await workstation.next("hello")


async def test_a_folder_may_have_any_name(new_server: Callable[..., Server], tmp_path: Path) -> None:
    one = new_server(workers=1)
    one.data_dir = tmp_path / " ".join(NAMES)
    await asyncio.to_thread(one.start)
    await relays(one)
    assert (one.data_dir / "nats" / "jetstream").is_dir(), "the bus stores where it was told to"
    await asyncio.to_thread(one.stop)


async def test_a_long_temporary_folder_is_no_hindrance(
    new_server: Callable[..., Server], tmp_path: Path
) -> None:
    long = tmp_path / ("t" * 113)
    long.mkdir()
    one = new_server(workers=1, env={"TMPDIR": str(long)})
    await asyncio.to_thread(one.start)
    await relays(one)
    await asyncio.to_thread(one.stop)


def test_closed_standard_descriptors_are_opened_on_nothing(
    new_server: Callable[..., Server], monkeypatch: pytest.MonkeyPatch
) -> None:
    one = new_server(workers=1)
    plain = one._command
    monkeypatch.setattr(one, "_command", lambda: ["sh", "-c", 'exec "$@" 0<&- 1>&- 2>&-', "sh", *plain()])
    one.start()
    for pid in (one.pid, *one.worker_pids().values()):
        assert {os.readlink(f"/proc/{pid}/fd/{number}") for number in range(3)} == {os.devnull}
    one.stop()


def test_on_a_terminal_the_log_is_plain_lines_and_no_advice(new_server: Callable[..., Server]) -> None:
    main, terminal = os.openpty()
    one = new_server(workers=1, output=terminal)
    one.start()
    told = os.read(main, 65536).decode()
    assert "open files allowed" in told
    assert "PRODUCTION" not in told
    assert "\\x1b" not in told
    one.stop()
    os.close(main)
    os.close(terminal)


def limited(soft: int, hard: int) -> None:
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def started_with(one: Server, monkeypatch: pytest.MonkeyPatch, soft: int, hard: int) -> Server:
    """Start the server under these limits of open files."""
    plain = one._command
    shell = f'ulimit -Sn {soft} && ulimit -Hn {hard} && exec "$@"'
    monkeypatch.setattr(one, "_command", lambda: ["bash", "-c", shell, "bash", *plain()])
    return one.start()


def test_the_soft_limit_of_open_files_is_raised(
    new_server: Callable[..., Server], monkeypatch: pytest.MonkeyPatch
) -> None:
    one = started_with(new_server(workers=1), monkeypatch, 1024, 4000)
    for pid in (one.pid, *one.worker_pids().values()):
        assert resource.prlimit(pid, resource.RLIMIT_NOFILE) == (4000, 4000)
    assert '"now": 4000, "before": 1024' in one.logs()
    one.stop()


async def test_without_descriptors_open_sockets_lose_nothing_and_it_is_said_once(
    new_server: Callable[..., Server], monkeypatch: pytest.MonkeyPatch
) -> None:
    one = new_server(workers=1)
    await asyncio.to_thread(started_with, one, monkeypatch, FEW, FEW)
    async with crowd(one) as people:
        workstation, tunnel_id = await people.workstation()
        client = await people.client(tunnel_id)
        overfull = [socket.create_connection(("127.0.0.1", one.port)) for _ in range(ENDS)]
        await eventually(lambda: "no open files left" in one.logs(), 10, "it is said")
        for number in range(10):
            await client.send({"type": "hello", "n": number})
            assert (await workstation.next("hello"))["n"] == number
        for end in overfull:
            end.close()
        await eventually(lambda: "open files are left again" in one.logs(), 10, "and its end")
    assert one.logs().count("no open files left") == 1
    await asyncio.to_thread(one.stop)

"""The control socket: who is told what, and what happens when one end is not there."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.harness import eventually
from tests.patience import PATIENCE, within
from tiflis.arbiter.control import ControlServer, WorkerSession
from tiflis.ipc.control_client import NoServer, request
from tiflis.ipc.main_link import MainLink
from tiflis.ipc.run_folder import RunFolder, socket_address


class Log:
    """A crew that remembers."""

    def __init__(self) -> None:
        self.events: list[tuple[str, str]] = []

    def joined(self, session: WorkerSession) -> None:
        self.events.append(("joined", session.worker_id))

    def ready(self, session: WorkerSession) -> None:
        self.events.append(("ready", session.worker_id))

    def left(self, session: WorkerSession) -> None:
        self.events.append(("left", session.worker_id))

    def leaving(self, session: WorkerSession) -> None:
        self.events.append(("leaving", session.worker_id))

    def handed(self, session: WorkerSession, report: dict[str, Any]) -> None:
        self.events.append(("handed", session.worker_id))


class Main:
    """A control server with its crew and its folder."""

    def __init__(self, data_dir: Path) -> None:
        self.folder = RunFolder(data_dir, 3001)
        self.folder.take(0)
        self.observer = Log()
        self.server = ControlServer(self.folder, self.observer)
        self.links: list[MainLink] = []

    async def worker(self, name: str, **calls: Any) -> tuple[MainLink, list[str]]:
        """Connect a worker; return it, and the list of workers that are reported to it as gone."""
        gone: list[str] = []
        link = MainLink(
            self.folder.path,
            "0",
            name,
            on_gone=calls.get("on_gone", gone.append),
            on_status=calls.get("on_status", lambda: {"told_by": name}),
            on_lost=calls.get("on_lost", lambda: None),
        )
        await link.start()
        self.links.append(link)
        await eventually(lambda: ("joined", name) in self.observer.events, PATIENCE, "joined")
        return link, gone


@pytest.fixture
async def main(tmp_path: Path) -> AsyncIterator[Main]:
    one = Main(tmp_path)
    await one.server.start()
    yield one
    for link in one.links:
        await link.close()
    await one.server.close()
    one.folder.lock.release()


async def test_main_hears_of_a_workers_life(main: Main) -> None:
    link, _ = await main.worker("a")
    link.ready()
    await eventually(lambda: len(main.observer.events) == 2, PATIENCE, "ready")
    await link.close()
    await eventually(lambda: len(main.observer.events) == 3, PATIENCE, "left")
    assert main.observer.events == [("joined", "a"), ("ready", "a"), ("left", "a")]


async def test_the_others_are_told_who_is_gone(main: Main) -> None:
    first, told_first = await main.worker("a")
    _, told_second = await main.worker("b")
    _, told_third = await main.worker("c")
    await first.close()
    await eventually(lambda: told_second and told_third, PATIENCE, "told")
    assert (told_first, told_second, told_third) == ([], ["a"], ["a"])


async def test_a_ready_worker_tells_the_status(main: Main) -> None:
    await main.worker("unready")
    link, _ = await main.worker("ready")
    link.ready()
    await eventually(lambda: ("ready", "ready") in main.observer.events, PATIENCE, "ready")
    assert await main.server.worker_status() == {"told_by": "ready"}


async def test_a_living_worker_answers_every_pulse(main: Main) -> None:
    await main.worker("a")
    session = main.server.sessions["a"]
    for _ in range(3):
        session.unanswered += 1
        session.send({"do": "pulse"})
        await eventually(lambda: session.unanswered == 0, PATIENCE, "it answered")


async def test_a_status_may_take_a_coroutine(main: Main) -> None:
    async def status() -> dict[str, Any]:
        await asyncio.sleep(0)
        return {"workers": 2}

    link, _ = await main.worker("a", on_status=status)
    link.ready()
    await eventually(lambda: ("ready", "a") in main.observer.events, PATIENCE, "ready")
    assert await main.server.worker_status() == {"workers": 2}


async def test_a_status_that_fails_is_no_status(main: Main, caplog: pytest.LogCaptureFixture) -> None:
    link, _ = await main.worker("a", on_status=lambda: 1 // 0)
    link.ready()
    await eventually(lambda: ("ready", "a") in main.observer.events, PATIENCE, "ready")
    assert await main.server.worker_status() is None
    assert "status cannot be told" in caplog.text


async def test_a_worker_that_dies_while_asked_does_not_hold_up_the_answer(main: Main) -> None:
    asked = asyncio.Event()

    async def never() -> dict[str, Any]:
        asked.set()
        await asyncio.sleep(60)
        return {}

    link, _ = await main.worker("a", on_status=never)
    link.ready()
    await eventually(lambda: ("ready", "a") in main.observer.events, PATIENCE, "ready")
    question = asyncio.create_task(main.server.worker_status())
    await asked.wait()
    await link.close()
    assert await within(question) is None


async def test_a_message_that_a_worker_cannot_take_does_not_end_the_link(main: Main) -> None:
    told: list[str] = []

    def fail_once(worker_id: str) -> None:
        told.append(worker_id)
        if len(told) == 1:
            raise RuntimeError("once")

    await main.worker("a", on_gone=fail_once)
    for name in ("b", "c"):
        link, _ = await main.worker(name)
        await link.close()
    await eventually(lambda: told == ["b", "c"], PATIENCE, "both were told")


async def test_a_worker_notices_that_main_is_gone(main: Main) -> None:
    lost = asyncio.Event()
    await main.worker("a", on_lost=lost.set)
    await main.server.close()
    await within(lost.wait())


async def test_an_orderly_end_of_the_link_is_no_loss(main: Main) -> None:
    lost = asyncio.Event()
    link, _ = await main.worker("a", on_lost=lost.set)
    await link.close()
    await eventually(lambda: ("left", "a") in main.observer.events, PATIENCE, "left")
    assert not lost.is_set()


async def test_commands_come_over_the_same_socket(main: Main) -> None:
    async def status(message: dict[str, Any]) -> dict[str, Any]:
        return {"heard": message["do"]}

    main.server.commands["status"] = status
    assert await asyncio.to_thread(request, main.folder.path, "status") == {"ok": True, "heard": "status"}


async def test_an_unknown_command_says_which_are_known(main: Main) -> None:
    async def status(message: dict[str, Any]) -> dict[str, Any]:
        return {}

    main.server.commands["status"] = status
    answer = await asyncio.to_thread(request, main.folder.path, "dance")
    assert answer == {"ok": False, "error": "unknown command; known: status"}


async def test_a_command_that_fails_says_so(main: Main, caplog: pytest.LogCaptureFixture) -> None:
    async def broken(message: dict[str, Any]) -> dict[str, Any]:
        raise RuntimeError("broken")

    main.server.commands["status"] = broken
    answer = await asyncio.to_thread(request, main.folder.path, "status")
    assert not answer["ok"]
    assert "command failed" in caplog.text


@pytest.mark.parametrize("line", [b"[]\n", b"\xff\n", b'{"do":"hello"}\n', b"{", b"x" * 100 + b"\n", b""])
async def test_nonsense_ends_only_its_own_connection(main: Main, line: bytes) -> None:
    with socket_address(main.folder.path / "main.sock") as address:
        reader, writer = await asyncio.open_unix_connection(address)
    writer.write(line)
    writer.write_eof()
    answer = await within(reader.read())
    assert answer == b"" or not json.loads(answer)["ok"]
    writer.close()
    await main.worker("a")


async def test_a_deep_folder_makes_no_difference(tmp_path: Path) -> None:
    main = Main(tmp_path / ("d" * 80) / ("e" * 80))
    await main.server.start()
    _, _ = await main.worker("a")
    answer = await asyncio.to_thread(request, main.folder.path, "status")
    assert "unknown command" in answer["error"]
    await main.links[0].close()
    await main.server.close()
    main.folder.lock.release()


async def test_only_the_owner_can_reach_it(main: Main) -> None:
    assert main.folder.path.stat().st_mode & 0o777 == 0o700
    assert (main.folder.path / "main.sock").stat().st_mode & 0o777 == 0o600


async def test_a_socket_left_by_a_killed_server_is_replaced(main: Main, tmp_path: Path) -> None:
    await main.server.close()
    path = main.folder.path / "main.sock"
    os.mknod(path)
    await main.server.start()
    await main.worker("a")


def test_without_a_server_the_command_says_so(tmp_path: Path) -> None:
    with pytest.raises(NoServer, match="no server answers"):
        request(tmp_path, "status")

"""The main process kills a worker that hangs, and spares one that waits for a CPU; with real processes."""

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from typing import cast

import pytest

from tests.harness import eventually
from tiflis.arbiter import pulse
from tiflis.arbiter.control import WorkerSession
from tiflis.ipc.control_client import Message
from tiflis.ipc.processes import CpuWait

BUSY = "while True: pass"
IDLE = "import time; time.sleep(600)"
PULSE, PULSES = 0.05, 20
PATIENCE = 120.0  # seconds: on a busy machine a process waits for its CPU, which does not count


class Deaf:
    """A worker's session, of a process that never answers."""

    def __init__(self, pid: int) -> None:
        self.pid, self.worker_id = pid, f"deaf-{pid}"
        self.cpu_wait = CpuWait(pid)
        self.unanswered, self.waited = 0, 0.0

    def send(self, message: Message) -> None: ...


class WorkerObserver:
    def __init__(self) -> None:
        self.deaf: list[Deaf] = []

    def sessions(self) -> list[WorkerSession]:
        return [cast(WorkerSession, session) for session in self.deaf]


@pytest.fixture
def spawn() -> Iterator[Callable[[str], subprocess.Popen[bytes]]]:
    made: list[subprocess.Popen[bytes]] = []

    def start(code: str) -> subprocess.Popen[bytes]:
        made.append(subprocess.Popen([sys.executable, "-c", code]))
        return made[-1]

    yield start
    for process in made:
        process.kill()
        process.wait()


@pytest.fixture
async def observer(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[WorkerObserver]:
    """Its pulse is felt every 50 ms, for a second."""
    monkeypatch.setattr(pulse, "PULSE_SECONDS", PULSE)
    monkeypatch.setattr(pulse, "UNANSWERED_PULSES", PULSES)
    observer = WorkerObserver()
    feeling = asyncio.create_task(pulse.watch_pulse(observer))
    yield observer
    feeling.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await feeling


@pytest.mark.parametrize("how", ["loops", "waits", "is stopped"])
async def test_a_worker_that_hangs_is_killed(
    observer: WorkerObserver, spawn: Callable[[str], subprocess.Popen[bytes]], how: str
) -> None:
    process = spawn(BUSY if how == "loops" else IDLE)
    if how == "is stopped":
        process.send_signal(signal.SIGSTOP)
    observer.deaf.append(Deaf(process.pid))
    await eventually(lambda: process.poll() == -signal.SIGKILL, PATIENCE, "it is killed")


async def test_a_worker_that_waits_for_a_cpu_is_left_alone(
    observer: WorkerObserver,
    spawn: Callable[[str], subprocess.Popen[bytes]],
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Beside others on its only CPU, at the lowest priority: one wait can last longer than all pulses."""
    starved, *hogs = (spawn(BUSY) for _ in range(6))
    cpu = {min(os.sched_getaffinity(0))}
    for process in (starved, *hogs):
        os.sched_setaffinity(process.pid, cpu)
    os.setpriority(os.PRIO_PROCESS, starved.pid, 19)
    session = Deaf(starved.pid)
    observer.deaf.append(session)
    await eventually(lambda: session.unanswered > 3 * PULSES, PATIENCE, "many pulses have passed")
    assert starved.poll() is None
    assert [record.message for record in caplog.records] == ["worker gets too little cpu"]
    starved.send_signal(signal.SIGSTOP)
    await eventually(
        lambda: starved.poll() == -signal.SIGKILL, PATIENCE, "once it does not even wait it is killed"
    )


def test_a_process_that_is_gone_has_not_waited() -> None:
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    assert CpuWait(process.pid).seconds() == 0.0

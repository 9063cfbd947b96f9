"""A main process that lacks something goes on, and is whole again once it has it."""

from __future__ import annotations

import os
import resource
import shutil
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.arbiter.conftest import Stage
from tests.arbiter.test_lifecycle import READY_SECONDS, RELOAD_SECONDS, replaced
from tests.harness import wait_until
from tests.lacks import NO_PROCESS, NO_SECOND_WORKER, NO_THREAD

MakeStage = Callable[..., Stage]

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="prlimit is Linux's")


@contextmanager
def no_more(pid: int, kind: int, most: int) -> Iterator[None]:
    """Allow this process so much of a resource, for a while."""
    soft, hard = resource.prlimit(pid, kind)
    resource.prlimit(pid, kind, (most, hard))
    try:
        yield
    finally:
        resource.prlimit(pid, kind, (soft, hard))


def helpers(stage: Stage) -> set[int]:
    """Return all children of main that are neither workers nor the bus."""
    children = Path(f"/proc/{stage.pid}/task/{stage.pid}/children").read_text().split()
    return set(map(int, children)) - set(stage.worker_pids().values()) - {stage.nats_pid()}


def test_a_worker_that_dies_while_no_process_can_start_costs_no_other(stage: MakeStage) -> None:
    running = stage(workers=3).start()
    running.order(NO_PROCESS)
    dead = running.kill_worker()
    others = set(running.ready_workers().values()) - {dead}
    wait_until(lambda: running.logs().count("worker cannot be started") > 2, READY_SECONDS, "it tries again")
    assert set(running.worker_pids().values()) == others
    running.revoke(NO_PROCESS)
    wait_until(replaced(running, dead), READY_SECONDS, "a new worker is ready")
    assert others < set(running.ready_workers().values())
    running.stop()


def test_a_reload_that_cannot_begin_changes_nothing_and_says_why(stage: MakeStage) -> None:
    running = stage().start()
    old = running.worker_pids()
    running.order(NO_PROCESS)
    report = running.control("reload", RELOAD_SECONDS)
    assert not report["complete"]
    assert "Resource temporarily unavailable" in report["workers"][0]["reasons"][0]
    assert running.ready_workers() == old
    running.revoke(NO_PROCESS)
    assert running.control("reload", RELOAD_SECONDS)["complete"]
    running.stop()


def test_main_does_without_every_process_that_helps_it(stage: MakeStage) -> None:
    running = stage().start()
    old = set(running.worker_pids().values())
    for pid in helpers(running):
        os.kill(pid, signal.SIGKILL)
    dead = running.kill_worker()
    wait_until(replaced(running, dead), READY_SECONDS, "a new worker is ready")
    assert old - {dead} < set(running.worker_pids().values())
    assert running.control("reload", RELOAD_SECONDS)["complete"]
    running.stop()


@pytest.mark.parametrize("kind", ["descriptors", "threads"])
def test_a_lack_of_main_ends_no_worker_and_passes(stage: MakeStage, kind: str) -> None:
    running = stage().start()
    dead, survivor = sorted(running.worker_pids().values())
    with no_more(running.pid, resource.RLIMIT_NOFILE, 3 if kind == "descriptors" else 1024):
        if kind == "threads":
            running.order(NO_THREAD)
        os.kill(dead, signal.SIGKILL)
        wait_until(lambda: "worker died, replacing" in running.logs(), READY_SECONDS, "it is noticed")
        time.sleep(1.0 if kind == "descriptors" else 0.1)  # some of main's tries
        assert running.status("/readyz") == 200
    if kind == "threads":
        running.revoke(NO_THREAD)
    wait_until(replaced(running, dead), READY_SECONDS, "a new worker is ready")
    assert survivor in running.worker_pids().values()
    running.stop()


def test_a_bus_that_dies_while_no_process_can_start_is_back_afterwards(stage: MakeStage) -> None:
    running = stage().start()
    running.order(NO_PROCESS)
    bus = running.nats_pid()
    assert bus is not None
    os.kill(bus, signal.SIGKILL)
    wait_until(lambda: running.logs().count("bus cannot be started") > 1, READY_SECONDS, "it tries again")
    running.revoke(NO_PROCESS)
    wait_until(lambda: running.nats_pid() not in (None, bus), READY_SECONDS, "a new bus runs")
    running.stop()


def test_a_run_folder_that_is_deleted_is_made_again(stage: MakeStage) -> None:
    running = stage().start()
    workers = running.worker_pids()
    shutil.rmtree(running.run_dir)
    wait_until(lambda: running.control("status").get("ok"), READY_SECONDS, "commands are answered again")
    assert running.worker_pids() == workers
    dead = running.kill_worker()
    wait_until(replaced(running, dead), READY_SECONDS, "a new worker finds main and bus")
    running.stop()


def test_a_working_directory_that_is_deleted_costs_no_worker(stage: MakeStage, tmp_path: Path) -> None:
    place = tmp_path / "place"
    running = stage(folder=place, env={"DATA_DIR": str(tmp_path / "data")})
    running.data_dir, running.log_path = tmp_path / "data", tmp_path / "log"
    running.start()
    shutil.rmtree(place)
    place.mkdir()  # another folder of that name, as a new release makes it
    dead = running.kill_worker()
    wait_until(replaced(running, dead), READY_SECONDS, "a new worker is ready")
    assert running.control("reload", RELOAD_SECONDS)["complete"]
    running.stop()


def test_a_first_start_goes_on_without_a_worker_that_cannot_be_started(stage: MakeStage) -> None:
    running = stage()
    running.order(NO_SECOND_WORKER)
    running.start()
    assert "worker cannot be started, trying again" in running.logs()
    running.stop()

"""What the main process promises: dead workers come back, a stop is orderly, its own death leaves nothing."""

from __future__ import annotations

import os
import signal
import socket
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.arbiter.conftest import Stage
from tests.harness import wait_until
from tests.patience import PATIENCE

MakeStage = Callable[..., Stage]

# Deadlines for a busy machine.
ORPHAN_SECONDS = 15  # the figure is 2 s
READY_SECONDS = 30  # the figure for a new worker is 1 s
RELOAD_SECONDS = 60
START_SECONDS = 20
STOP_SECONDS = 8  # at 9 s workers that hang are killed


def replaced(stage: Stage, *dead: int) -> Callable[[], bool]:
    """Return whether all workers are ready and these are not among them."""

    def condition() -> bool:
        ready = stage.ready_workers().values()
        return len(ready) == stage.workers and not set(dead) & set(ready)

    return condition


def test_a_killed_worker_is_replaced_again_and_again(stage: MakeStage) -> None:
    running = stage().start()
    for _ in range(5):
        dead = running.kill_worker()
        wait_until(replaced(running, dead), READY_SECONDS, "a new worker is ready")


def test_the_others_hear_at_once_that_a_worker_is_gone(stage: MakeStage) -> None:
    running = stage(workers=2).start()
    survivor = running.me()
    victim = next(pid for pid in running.worker_pids().values() if pid != survivor["pid"])
    others = {w["worker_id"]: w["pid"] for w in running.control("status")["arbiter"]["workers"]}
    running.kill_worker(victim)
    with running.accepting_only(survivor["pid"]):
        wait_until(lambda: running.me()["gone"], PATIENCE, "the survivor was told")
        assert [others[worker_id] for worker_id in running.me()["gone"]] == [victim]


def test_all_workers_killed_at_once_are_all_replaced(stage: MakeStage) -> None:
    running = stage(workers=3).start()
    dead = list(running.worker_pids().values())
    for pid in dead:
        os.kill(pid, signal.SIGKILL)
    assert running.get("/readyz", READY_SECONDS)[0] == 200
    wait_until(replaced(running, *dead), READY_SECONDS, "all are new")


@pytest.mark.parametrize("how", ["stopped", "in an endless loop"])
def test_a_worker_that_hangs_is_replaced(stage: MakeStage, how: str) -> None:
    running = stage(workers=1).start()
    hung = next(iter(running.worker_pids().values()))
    if how == "stopped":
        os.kill(hung, signal.SIGSTOP)
    else:
        running.status("/loop", 0.2)
    wait_until(replaced(running, hung), READY_SECONDS, "a new worker is ready")
    assert "worker hangs, killed" in running.logs()


def test_a_worker_that_crashes_in_a_loop_is_tried_ever_more_rarely_and_recovers(stage: MakeStage) -> None:
    running = stage(workers=2).start()
    running.order("exit-start")
    dead = running.kill_worker()
    wait_until(
        lambda: '"wait": 1.0' in running.logs(), READY_SECONDS, "it waits a second before the next try"
    )
    assert running.status("/readyz") == 200, "the other one goes on"
    running.revoke("exit-start")
    wait_until(replaced(running, dead), READY_SECONDS, "the next try succeeds")


def test_a_worker_that_raises_at_start_is_tried_again(stage: MakeStage) -> None:
    running = stage(workers=2).start()
    running.order("fail-start")
    dead = running.kill_worker()
    wait_until(
        lambda: "a new worker failed at start" in running.logs(), READY_SECONDS, "the operator is told"
    )
    running.revoke("fail-start")
    wait_until(replaced(running, dead), READY_SECONDS, "the next try succeeds")


def test_main_gives_up_when_a_worker_raises_at_the_first_start(stage: MakeStage) -> None:
    running = stage()
    running.order("fail-start")
    process = running.start(wait=False).process
    assert process is not None
    assert process.wait(START_SECONDS) == 1
    wait_until(lambda: not running.processes(), ORPHAN_SECONDS, "nothing is left")
    assert "a worker failed at start" in running.logs()


def test_a_stop_lets_workers_drain_and_ends_the_bus_after_them(stage: MakeStage) -> None:
    running = stage().start()
    workers = set(running.worker_pids().values())
    took = running.stop()
    assert running.marks("drained") == workers
    log = running.logs()
    assert log.rindex("worker complete") < log.index("bus stopped")
    assert "bus died" not in log
    assert took < STOP_SECONDS


def test_a_stop_while_workers_start_ends_at_once(stage: MakeStage) -> None:
    running = stage()
    running.order("slow-start")
    running.start(wait=False)
    wait_until(lambda: len(running.marks("starting")) == 2, 15, "both are starting")
    assert running.stop() < STOP_SECONDS


def test_a_stop_in_the_first_moments_ends_without_a_worker(stage: MakeStage) -> None:
    running = stage().start(wait=False)
    wait_until(running.worker_pids, 15, "a process is there")
    assert running.stop() < STOP_SECONDS
    assert "Traceback" not in running.logs()


def test_a_worker_that_does_not_drain_in_time_is_killed(stage: MakeStage) -> None:
    running = stage(env={"SHUTDOWN_TIMEOUT": "1"}).start()
    running.order("slow-stop")
    assert running.stop() < STOP_SECONDS
    assert "does not stop, killed" in running.logs()


def test_signals_that_come_several_times_do_not_break_off_a_drain(stage: MakeStage) -> None:
    running = stage().start()
    running.order("slow-stop")
    workers = set(running.worker_pids().values())
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGINT):
        for pid in workers:
            os.kill(pid, number)
        wait_until(lambda: running.logs().count("stopping worker") == 2, READY_SECONDS, "both drain")
    assert set(running.worker_pids().values()) == workers
    running.revoke("slow-stop")
    wait_until(lambda: running.marks("drained") >= workers, STOP_SECONDS, "both came to their end")
    running.stop()


def test_a_signal_for_the_whole_group_is_an_orderly_stop(stage: MakeStage) -> None:
    running = stage().start()
    process, workers = running.process, set(running.worker_pids().values())
    assert process is not None
    os.killpg(process.pid, signal.SIGTERM)
    assert process.wait(STOP_SECONDS) == 0
    assert running.marks("drained") == workers
    assert "Traceback" not in running.logs()


def test_quit_is_an_orderly_stop_and_dumps_no_memory(stage: MakeStage) -> None:
    running = stage().start()
    process, workers = running.process, set(running.worker_pids().values())
    assert process is not None
    os.killpg(process.pid, signal.SIGQUIT)  # Ctrl-\ at a terminal
    assert process.wait(STOP_SECONDS) == 0
    assert running.marks("drained") == workers


def test_a_hangup_of_the_whole_terminal_ends_nobody_but_replaces_the_workers(stage: MakeStage) -> None:
    running = stage().start()
    old = set(running.worker_pids().values())
    os.killpg(running.pid, signal.SIGHUP)
    wait_until(replaced(running, *old), READY_SECONDS, "both workers are new")
    wait_until(lambda: running.marks("drained") == old, READY_SECONDS, "the old ones came to their end")
    assert "worker died" not in running.logs()
    running.stop()


def test_a_reload_into_workers_that_fail_keeps_the_old_ones(stage: MakeStage) -> None:
    running = stage().start()
    old = running.worker_pids()
    for order in ("fail-start", "exit-start"):
        running.order(order)
        report = running.control("reload", RELOAD_SECONDS)
        assert (report["ok"], report["complete"]) == (True, False)
        assert [worker["replaced"] for worker in report["workers"]] == [False]
        assert running.ready_workers() == old
        running.revoke(order)
    assert running.control("reload", RELOAD_SECONDS)["complete"]
    running.stop()


def test_a_worker_killed_after_a_reload_is_replaced(stage: MakeStage) -> None:
    running = stage().start()
    for _ in range(2):
        assert running.control("reload", RELOAD_SECONDS)["complete"]
        dead = running.kill_worker()
        wait_until(replaced(running, dead), READY_SECONDS, "a new worker is ready")
    running.stop()


def test_a_stop_during_a_reload_ends_old_and_new_workers(stage: MakeStage) -> None:
    running = stage().start()
    running.order("slow-start")
    os.kill(running.pid, signal.SIGHUP)
    wait_until(lambda: len(running.marks("starting")) == 3, 10, "a newcomer is starting")
    assert running.stop() < STOP_SECONDS


def test_the_death_of_main_leaves_nothing_behind(stage: MakeStage) -> None:
    running = stage().start()
    running.order("slow-stop")
    running.kill_main()
    wait_until(lambda: not running.processes(), ORPHAN_SECONDS, "workers, bus and the rest are gone")


def test_the_death_of_main_while_workers_start_leaves_nothing_behind(stage: MakeStage) -> None:
    running = stage()
    running.order("slow-start")
    running.start(wait=False)
    wait_until(lambda: len(running.marks("starting")) == 2, 15, "both are starting")
    running.kill_main()
    wait_until(lambda: not running.processes(), ORPHAN_SECONDS, "nothing is left")


def test_a_fresh_start_right_after_mains_death_takes_over_port_and_store(stage: MakeStage) -> None:
    first = stage().start()
    first.order("slow-stop")
    first.kill_main()
    second = stage(port=first.port, folder=first.folder).start()
    second.revoke("slow-stop")
    assert second.status("/readyz") == 200
    second.stop()


def test_a_second_server_in_the_same_folder_is_refused_in_one_line(stage: MakeStage) -> None:
    running = stage().start()
    second = stage(port=running.port, folder=running.folder).start(wait=False)
    assert second.process is not None
    assert second.process.wait(START_SECONDS) == 2
    assert f"process {running.pid} already serves port {running.port}" in second.logs()
    assert "Traceback" not in second.logs()
    assert running.status("/readyz") == 200


def test_a_port_that_is_taken_is_said_in_one_line(stage: MakeStage) -> None:
    running = stage()
    with socket.socket() as other:
        other.bind(("127.0.0.1", running.port))
        other.listen()
        process = running.start(wait=False).process
        assert process is not None
        assert process.wait(START_SECONDS) == 2
    assert f"PORT {running.port} cannot be listened on at 127.0.0.1" in running.logs()
    assert "Traceback" not in running.logs()
    wait_until(lambda: not running.processes(), ORPHAN_SECONDS, "nothing is left")


def test_a_single_process_has_its_own_bus_and_socket(stage: MakeStage) -> None:
    running = stage(single=True).start()
    status = running.control("status")
    assert status["arbiter"]["pid"] == running.pid
    assert status["status"]["told_by"].startswith(f"{status['arbiter']['instance']}-0-")
    assert running.nats_pid() is not None
    running.stop()
    assert running.marks("drained")


def test_the_death_of_a_single_process_takes_its_bus_along(stage: MakeStage) -> None:
    running = stage(single=True).start()
    running.kill_main()
    wait_until(lambda: not running.processes(), ORPHAN_SECONDS, "the bus is gone")


def test_development_mode_restarts_all_workers_when_a_file_changes(stage: MakeStage, tmp_path: Path) -> None:
    watched = tmp_path / "watched"
    watched.mkdir()
    (watched / "page.html").touch()
    running = stage(dev=True, arguments=("--reload-dir", str(watched))).start()
    old = running.worker_pids().values()
    time.sleep(1.1)  # the reloader looks once a second, and must have seen the file before
    os.utime(watched / "page.html", (2**31, 2**31))
    wait_until(replaced(running, *old), READY_SECONDS, "both workers are new")
    running.kill_main()
    wait_until(lambda: not running.processes(), ORPHAN_SECONDS, "the reloader is gone, too")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGQUIT])
def test_a_stop_before_there_are_workers_leaves_nothing(stage: MakeStage, number: signal.Signals) -> None:
    running = stage().start(wait=False)
    process = running.process
    assert process is not None
    wait_until(lambda: len(running.processes()) > 1, 10, "the first child is there")
    process.send_signal(number)
    assert process.wait(STOP_SECONDS) == 0
    wait_until(lambda: not running.processes(), ORPHAN_SECONDS, "nothing is left")
    assert "Traceback" not in running.logs()


def test_two_servers_on_one_store_are_one_too_many(stage: MakeStage) -> None:
    running = stage().start()
    second = stage(folder=running.folder).start(wait=False)
    assert second.process is not None
    assert second.process.wait(START_SECONDS) == 1
    assert f"in use by process {running.pid}: give each server its own DATA_DIR" in second.logs()
    assert "Traceback" not in second.logs()
    assert running.nats_pid() == running.control("status")["arbiter"]["bus"]["pid"]


def test_the_bus_killed_over_and_over_comes_back_for_the_same_server(stage: MakeStage) -> None:
    running = stage().start()
    dead: set[int | None] = {None}

    def back() -> bool:
        return running.nats_pid() not in dead

    for killed in range(1, 4):
        pid = running.nats_pid()
        assert pid is not None
        dead.add(pid)
        os.kill(pid, signal.SIGKILL)
        wait_until(back, PATIENCE, "a new bus runs")
        assert running.control("status")["arbiter"]["bus"]["restarts"] == killed
    running.stop()


def test_workers_get_a_private_run_folder_and_an_allocator_for_large_messages(stage: MakeStage) -> None:
    running = stage().start()
    assert running.run_dir.stat().st_mode & 0o777 == 0o700
    for name in ("main.sock", "nats.conf", "bus.url"):
        assert (running.run_dir / name).stat().st_mode & 0o777 == 0o600, name
    assert running.stop() < 5

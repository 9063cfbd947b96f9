"""The limiter as an attacker and an owner meet it, over several real processes."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.patience import WALL_PATIENCE, now
from tiflis.relay.auth.keys import Trial, plain
from tiflis.relay.auth.rate_limit import REGISTRATION, WORKSTATION, Caller, Limiter

RIGHT, WRONG = plain("right", "right"), plain("wrong", "right")
ATTACKER, OWNER, TUNNEL = "192.0.2.66", "198.51.100.1", "aTunnel"


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class Host:
    """Workers that share one file, and what they tell other hosts."""

    def __init__(self, path: Path | None, clock: Clock, workers: int = 1) -> None:
        self.gossip: list[bytes] = []
        self.workers = [Limiter(path, clock, self.gossip.append) for _ in range(workers)]

    def hear(self, data: bytes) -> None:
        for worker in self.workers:
            worker.received(data)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def limiter(clock: Clock) -> Iterator[Limiter]:
    limiter = Limiter(None, clock, lambda _: None)
    yield limiter
    limiter.close()


def wrong(limiter: Limiter, address: str, tunnel: str | None, times: int, device: str | None = None) -> int:
    """Tries wrong keys; how many were looked at."""
    return sum(look(limiter, address, tunnel, WRONG, device) == 0.0 for _ in range(times))


def right(limiter: Limiter, address: str, tunnel: str | None, device: str | None = None) -> float:
    """Tries the right key; how long it has to wait."""
    return look(limiter, address, tunnel, RIGHT, device)


def look(limiter: Limiter, address: str, tunnel: str | None, key: Trial, device: str | None) -> float:
    caller = Caller(address, tunnel or REGISTRATION, device)
    verdict = limiter.judge(tunnel or REGISTRATION, caller, key)
    assert verdict.right == (key is RIGHT and verdict.wait == 0.0)
    return verdict.wait


def test_ten_wrong_keys_per_minute_are_compared_and_then_none(limiter: Limiter, clock: Clock) -> None:
    assert wrong(limiter, ATTACKER, TUNNEL, 1000) == 10
    assert right(limiter, ATTACKER, TUNNEL) == 60.0
    clock.now += 59.9
    assert right(limiter, ATTACKER, TUNNEL) == pytest.approx(0.1)
    clock.now += 0.2
    assert wrong(limiter, ATTACKER, TUNNEL, 1000) == 10


def test_the_owner_elsewhere_and_other_tunnels_are_not_affected(limiter: Limiter) -> None:
    wrong(limiter, ATTACKER, TUNNEL, 100)
    assert right(limiter, OWNER, TUNNEL) == 0.0
    assert right(limiter, ATTACKER, "another") == 0.0
    assert right(limiter, ATTACKER, None) == 0.0


def test_registration_keys_count_by_address_alone(limiter: Limiter) -> None:
    assert wrong(limiter, ATTACKER, None, 100) == 10
    assert sum(wrong(limiter, f"192.0.2.{number}", None, 10) for number in range(100, 200)) == 1000


def test_right_keys_never_use_up_the_attempts(limiter: Limiter) -> None:
    for _ in range(1000):
        assert right(limiter, OWNER, TUNNEL) == 0.0


def test_a_right_key_does_not_wash_away_the_wrong_ones(limiter: Limiter) -> None:
    assert wrong(limiter, ATTACKER, TUNNEL, 9) == 9
    assert right(limiter, ATTACKER, TUNNEL) == 0.0
    assert wrong(limiter, ATTACKER, TUNNEL, 10) == 1


def test_sixty_wrong_keys_per_minute_are_compared_for_a_tunnel_attacked_from_everywhere(
    limiter: Limiter, clock: Clock
) -> None:
    limiter.welcome(Caller(OWNER, TUNNEL, "phone"))
    assert sum(wrong(limiter, f"10.0.{n // 250}.{n % 250}", TUNNEL, 1) for n in range(1000)) == 60
    assert right(limiter, "203.0.113.9", TUNNEL) > 0.0
    assert right(limiter, OWNER, TUNNEL, "phone") == 0.0
    clock.now += 61
    assert right(limiter, "203.0.113.9", TUNNEL) == 0.0


def test_a_known_device_gets_in_whatever_others_at_its_address_try(limiter: Limiter, clock: Clock) -> None:
    limiter.welcome(Caller(ATTACKER, TUNNEL, "phone"))
    clock.now += 29 * 24 * 3600
    for _ in range(12):
        wrong(limiter, ATTACKER, TUNNEL, 20, "tablet")
        assert right(limiter, ATTACKER, TUNNEL, "phone") == 0.0
        assert right(limiter, ATTACKER, TUNNEL, "new phone") > 0.0
        clock.now += 5
    clock.now += 2 * 24 * 3600
    wrong(limiter, ATTACKER, TUNNEL, 20, "tablet")
    assert right(limiter, ATTACKER, TUNNEL, "phone") > 0.0, "not seen for 30 days"


def test_a_known_device_has_ten_attempts_of_its_own(limiter: Limiter) -> None:
    limiter.welcome(Caller(OWNER, TUNNEL, "phone"))
    assert wrong(limiter, OWNER, TUNNEL, 100, "phone") == 10
    assert right(limiter, OWNER, TUNNEL, "phone") > 0.0
    assert right(limiter, OWNER, TUNNEL, "tablet") == 0.0


def test_a_known_workstation_gets_in_whatever_others_at_its_address_try(limiter: Limiter) -> None:
    limiter.welcome(Caller(ATTACKER, TUNNEL, WORKSTATION))
    wrong(limiter, ATTACKER, None, 100)
    wrong(limiter, ATTACKER, TUNNEL, 100)
    caller = Caller(ATTACKER, TUNNEL, WORKSTATION)
    assert limiter.judge(REGISTRATION, caller, RIGHT).right
    assert limiter.judge(TUNNEL, caller, RIGHT).right
    assert limiter.judge(REGISTRATION, Caller(ATTACKER, "another", WORKSTATION), RIGHT).wait > 0.0


def test_a_new_phone_gets_in_while_seven_addresses_attack(limiter: Limiter, clock: Clock) -> None:
    for _ in range(30):
        for number in range(7):
            wrong(limiter, f"192.0.2.{number}", TUNNEL, 10)
        assert right(limiter, OWNER, TUNNEL, "new phone") == 0.0
        clock.now += 7


def test_what_other_hosts_know_is_known_here(clock: Clock) -> None:
    here, there = Host(None, clock), Host(None, clock)
    here.workers[0].welcome(Caller(ATTACKER, TUNNEL, "phone"))
    here.workers[0].welcome(Caller(ATTACKER, TUNNEL, "phone"))
    (told,) = here.gossip
    there.hear(told)
    wrong(there.workers[0], ATTACKER, TUNNEL, 20)
    assert right(there.workers[0], ATTACKER, TUNNEL, "phone") == 0.0


def test_a_tunnel_cannot_make_the_server_forget_the_devices_of_others(limiter: Limiter, clock: Clock) -> None:
    limiter.welcome(Caller(OWNER, TUNNEL, "phone"))
    clock.now += 1
    for number in range(2_000):
        limiter.welcome(Caller(ATTACKER, "greedy", f"device {number}"))
    wrong(limiter, OWNER, TUNNEL, 10)
    assert right(limiter, OWNER, TUNNEL, "phone") == 0.0


def test_an_attacker_cannot_vary_the_free_half_of_an_ipv6_address(limiter: Limiter) -> None:
    assert sum(wrong(limiter, f"2001:db8::{n:x}", TUNNEL, 1) for n in range(1, 100)) == 10


def test_a_flood_of_addresses_makes_the_server_forget_nothing(limiter: Limiter, clock: Clock) -> None:
    assert wrong(limiter, ATTACKER, None, 10) == 10
    assert wrong(limiter, ATTACKER, TUNNEL, 10) == 10
    for number in range(12_000):
        wrong(limiter, f"10.{number // 65536}.{number // 256 % 256}.{number % 256}", None, 1)
        wrong(limiter, ATTACKER, f"tunnel {number}", 1)
    assert wrong(limiter, ATTACKER, None, 20) + wrong(limiter, ATTACKER, TUNNEL, 20) == 0
    assert wrong(limiter, "198.51.100.77", None, 1) == 0, "a full table refuses"
    clock.now += 61
    assert wrong(limiter, "198.51.100.77", None, 20) == 10


def test_a_clock_that_is_set_back_forgives_nothing_new(limiter: Limiter, clock: Clock) -> None:
    wrong(limiter, ATTACKER, TUNNEL, 10)
    clock.now -= 500
    assert wrong(limiter, ATTACKER, TUNNEL, 20) == 10


def test_hosts_count_each_others_wrong_keys_once(clock: Clock, tmp_path: Path) -> None:
    here, there = Host(tmp_path / "here", clock, 3), Host(tmp_path / "there", clock, 3)
    assert wrong(here.workers[0], ATTACKER, TUNNEL, 7) == 7
    for data in here.gossip:
        here.hear(data)
        there.hear(data)
        there.hear(data)
    assert wrong(there.workers[1], ATTACKER, TUNNEL, 20) == 3
    assert wrong(here.workers[1], ATTACKER, TUNNEL, 20) == 3


@pytest.mark.parametrize("data", [b"", b"x", b"x" * 16, b"x" * 17, b"\xff" * 60, b"x" * 100_000])
def test_any_gossip_is_counted_or_ignored(limiter: Limiter, data: bytes) -> None:
    limiter.received(data)


def test_odd_names_count_like_others(limiter: Limiter) -> None:
    for odd in ("\0", "x" * 100_000, "\ud800", "💥"):
        assert wrong(limiter, odd, odd, 20) == 10
        assert wrong(limiter, odd, odd, 20, odd) == 0


ATTACK = """
import sys, time
from pathlib import Path
from tiflis.relay.auth.keys import plain
from tiflis.relay.auth.rate_limit import Caller, Limiter
limiter = Limiter(Path(sys.argv[1]), time.time, lambda _: None, patience=10)
print("ready", flush=True)
sys.stdin.readline()
looked = 0
for _ in range(3000):
    looked += not limiter.judge("aTunnel", Caller("192.0.2.66", "aTunnel"), plain("wrong", "right")).wait
    assert limiter.judge("aTunnel", Caller("198.51.100.1", "aTunnel"), plain("right", "right")).right
print(looked, flush=True)
"""

HOLD = """
import sys, time
from pathlib import Path
from tiflis.relay.auth.rate_limit import Limiter
limiter = Limiter(Path(sys.argv[1]), time.time, lambda _: None)
assert limiter._table.acquire()
print("held", flush=True)
time.sleep(60)
"""


@contextlib.contextmanager
def process(code: str, path: Path) -> Iterator[subprocess.Popen[str]]:
    """Run this code in a worker, which has reported that it is ready; kill it at the end."""
    worker = subprocess.Popen(
        [sys.executable, "-c", code, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert worker.stdout is not None
    worker.stdout.readline()
    try:
        yield worker
    finally:
        worker.kill()
        worker.communicate(timeout=WALL_PATIENCE)


def test_workers_together_compare_no_more_keys_than_one_would(tmp_path: Path) -> None:
    path = tmp_path / "looks"
    with contextlib.ExitStack() as stack:
        workers = [stack.enter_context(process(ATTACK, path)) for _ in range(4)]
        for worker in workers:
            assert worker.stdin is not None
            worker.stdin.write("go\n")
            worker.stdin.flush()
        looked = [int(worker.stdout.readline()) for worker in workers if worker.stdout is not None]
    assert sum(looked) == 10
    assert len(looked) == 4


def test_a_worker_that_dies_with_the_lock_blocks_no_other(tmp_path: Path) -> None:
    limiter = Limiter(tmp_path / "looks", time.time, lambda _: None)
    with process(HOLD, tmp_path / "looks") as holder:
        assert right(limiter, OWNER, TUNNEL) == 0.0
        holder.kill()
        holder.wait(timeout=WALL_PATIENCE)
        assert right(limiter, OWNER, TUNNEL) == 0.0
    limiter.close()


def test_while_a_stopped_worker_has_the_lock_each_counts_for_itself(tmp_path: Path) -> None:
    limiter = Limiter(tmp_path / "looks", time.time, lambda _: None, patience=0.01)
    with process(HOLD, tmp_path / "looks") as holder:
        os.kill(holder.pid, signal.SIGSTOP)
        start = now()
        assert right(limiter, OWNER, TUNNEL) == 0.0
        limiter.received(b"x" * 30)
        assert now() - start < 1.0
        wrong(limiter, ATTACKER, TUNNEL, 10)
        assert right(limiter, ATTACKER, TUNNEL) > 0.0
        assert right(limiter, OWNER, TUNNEL) == 0.0
    limiter.close()


def test_the_counters_outlive_the_worker(tmp_path: Path, clock: Clock) -> None:
    first = Limiter(tmp_path / "looks", clock, lambda _: None)
    wrong(first, ATTACKER, TUNNEL, 10)
    first.close()
    second = Limiter(tmp_path / "looks", clock, lambda _: None)
    assert right(second, ATTACKER, TUNNEL) > 0.0
    second.close()


def test_the_shared_file_is_private_and_wholly_on_the_disk(tmp_path: Path, clock: Clock) -> None:
    Limiter(tmp_path / "looks", clock, lambda _: None).close()
    (file,) = tmp_path.iterdir()
    assert file.stat().st_mode & 0o777 == 0o600
    assert file.stat().st_blocks * 512 >= file.stat().st_size < 8 << 20

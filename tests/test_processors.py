"""The number of workers for `WORKERS=auto` follows what the container may use."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tiflis.processors import processors


@pytest.fixture(autouse=True)
def eight(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)))


def count(folder: Path, own: str, **files: str) -> int:
    (folder / "own").write_text(own)
    for name, text in files.items():
        path = folder / name.replace("__", "/").replace("_max", ".max").replace("cpu_cfs", "cpu.cfs")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return processors(folder, folder / "own")


def test_without_a_quota_the_affinity_counts(tmp_path: Path) -> None:
    assert processors(tmp_path, tmp_path / "nowhere") == 8
    assert count(tmp_path, "0::/\n", cpu_max="max 100000\n") == 8


@pytest.mark.parametrize(("quota", "wanted"), [(200, 2), (150, 2), (50, 1), (1000, 8)])
def test_a_quota_of_a_container_is_rounded_up(tmp_path: Path, quota: int, wanted: int) -> None:
    assert count(tmp_path, "0::/\n", cpu_max=f"{quota}000 100000\n") == wanted


def test_the_tightest_group_counts_and_a_path_of_the_host_is_no_hindrance(tmp_path: Path) -> None:
    assert count(tmp_path, "0::/a/b\n", a__cpu_max="300000 100000", a__b__cpu_max="max 100000") == 3
    assert count(tmp_path, "0::/docker/elsewhere\n", cpu_max="400000 100000") == 4


def test_the_first_version_of_cgroups_is_read_too(tmp_path: Path) -> None:
    own = "4:cpu,cpuacct:/box\n3:memory:/box\n"
    files = {"cpu__box__cpu_cfs_quota_us": "250000\n", "cpu__box__cpu_cfs_period_us": "100000\n"}
    assert count(tmp_path, own, **files) == 3
    assert count(tmp_path, own, **{**files, "cpu__box__cpu_cfs_quota_us": "-1\n"}) == 8

"""What is counted can be read, summed and kept; what the dashboard and the alerts ask for exists."""

from __future__ import annotations

import ast
import functools
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from tiflis.exposition import expose
from tiflis.metrics import CATALOGUE, PREFIX, Counters, Kind, add
from tiflis.metrics_store import FRESH_SECONDS, PAST, MetricsStore
from tiflis.protocol.close import CloseCode

ROOT = Path(__file__).resolve().parent.parent
OBSERVABILITY = ROOT / "deploy" / "observability"


def samples(text: bytes) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    """Return every sample by name and labels, as Prometheus understands the text."""
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text.decode())
        for sample in family.samples
    }


def test_counters_start_at_zero_with_all_their_labels() -> None:
    shown = samples(expose(Counters().values)[0])
    assert shown[("tiflis_auth_failures_total", (("reason", "rate_limited"),))] == 0
    assert shown[("tiflis_sockets_opened_total", ())] == 0
    assert len([key for key in shown if key[0] == "tiflis_frames_total"]) == 3 * 3 * 2


def test_a_duration_falls_into_its_bucket_and_those_above() -> None:
    counters = Counters()
    for seconds in (0.004, 0.005, 0.3, 99.0):
        counters.observe("directory_seconds", seconds, "read")
    shown = samples(expose(counters.values)[0])

    def bucket(bound: str) -> float:
        return shown[("tiflis_directory_seconds_bucket", (("le", bound), ("operation", "read")))]

    assert [bucket(bound) for bound in ("0.002", "0.005", "0.5", "10.0", "+Inf")] == [0, 2, 3, 3, 4]
    assert shown[("tiflis_directory_seconds_sum", (("operation", "read"),))] == pytest.approx(99.309)


@pytest.mark.parametrize("wrong", [("nothing", ()), ("auth_failures_total", ("curse",)), ("bus_up", ())])
def test_a_name_that_is_not_in_the_catalogue_is_a_bug(wrong: tuple[str, tuple[str, ...]]) -> None:
    with pytest.raises(KeyError):
        Counters().count(wrong[0], *wrong[1])


def test_workers_are_summed_but_each_keeps_what_is_its_own() -> None:
    one, two = Counters(), Counters()
    one.count("sockets_opened_total")
    two.count("sockets_opened_total", by=2)
    total: dict[str, Any] = {}
    add(total, {**one.values, "memory_bytes": {"0": [5.0]}, "connections": {"client": [1.0]}})
    add(total, {**two.values, "memory_bytes": {"1": [7.0]}, "connections": {"client": [2.0]}})
    add(total, {"of another version": {"": [1.0]}, "relay_seconds": {"local": [1.0, 2.0]}})
    assert total["sockets_opened_total"][""] == [3.0]
    assert total["memory_bytes"] == {"0": [5.0], "1": [7.0]}
    assert total["connections"]["client"] == [3.0]
    assert one.values["sockets_opened_total"][""] == [1.0], "sums leave what they sum as it is"


def test_prometheus_may_ask_for_open_metrics() -> None:
    text, kind = expose(Counters().values, "application/openmetrics-text; version=1.0.0")
    assert kind.startswith("application/openmetrics-text")
    assert text.endswith(b"# EOF\n")


# What dead workers have counted


def dead_process() -> int:
    done = subprocess.run(
        [sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True, check=True
    )
    return int(done.stdout)


def counted(number: int) -> dict[str, Any]:
    counters = Counters()
    counters.count("sockets_opened_total", by=number)
    return counters.values


def test_what_a_dead_worker_counted_counts_for_ever(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    living = MetricsStore(tmp_path, "x-0-living")
    living.write(counted(1))
    for name, number in (("x-1-a", 10), ("x-1-b", 100)):
        monkeypatch.setattr(os, "getpid", dead_process)
        MetricsStore(tmp_path, name).write(counted(number))
        monkeypatch.undo()
        values = living.read()
        assert set(values) == {"x-0-living", PAST}
    assert values[PAST]["sockets_opened_total"][""] == [110.0]
    assert living.read() == values
    assert sorted(path.stem for path in (tmp_path / "metrics").glob("*.json")) == [PAST, "x-0-living"]


def measured(number: float) -> dict[str, Any]:
    return {**counted(1), "connections": {"client": [number]}}


def test_gauges_count_while_their_worker_lives_and_writes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = MetricsStore(tmp_path, "x-0-living")
    store.write(measured(5))
    assert store.read()["x-0-living"]["connections"] == {"client": [5.0]}
    now = time.monotonic()
    monkeypatch.setattr("time.monotonic", lambda: now + FRESH_SECONDS + 1)
    assert set(store.read()["x-0-living"]) == set(counted(1)), "it writes no more"


def test_gauges_of_a_dead_worker_are_not_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as other:
        other.setattr(os, "getpid", dead_process)
        MetricsStore(tmp_path, "x-1-dead").write(measured(5))
    assert set(MetricsStore(tmp_path, "x-0-living").read()[PAST]) == set(counted(1))


def test_what_is_written_late_does_not_replace_what_is_newer(tmp_path: Path) -> None:
    store = MetricsStore(tmp_path, "x-0-a")
    late = store.taken_down(counted(1))
    store.write(counted(2))
    late()
    assert store.read()["x-0-a"]["sockets_opened_total"][""] == [2.0]


def test_a_broken_file_costs_nothing_but_itself(tmp_path: Path) -> None:
    store = MetricsStore(tmp_path, "x-0-a")
    store.write(counted(1))
    (tmp_path / "metrics" / "x-1-b.json").write_text("{")
    assert store.read()["x-0-a"]["sockets_opened_total"][""] == [1.0]


def test_a_folder_that_cannot_be_written_costs_no_worker(tmp_path: Path) -> None:
    (tmp_path / "metrics").write_text("in the way")
    store = MetricsStore(tmp_path, "x-0-a")
    store.write(counted(1))
    assert store.read() == {}


# What is asked for


def expressions() -> Iterator[str]:
    board = json.loads((OBSERVABILITY / "grafana-dashboard.json").read_text())
    for panel in board["panels"]:
        yield from (target["expr"] for target in panel.get("targets", []))
    for group in yaml.safe_load((OBSERVABILITY / "alerts.yml").read_text())["groups"]:
        yield from (rule["expr"] for rule in group["rules"])


def known_names() -> dict[str, set[str]]:
    """Return every name that Prometheus sees, with its labels."""
    named: dict[str, set[str]] = {}
    for metric in CATALOGUE.values():
        endings = ("_bucket", "_sum", "_count") if metric.kind is Kind.HISTOGRAM else ("",)
        for ending in endings:
            named[PREFIX + metric.name + ending] = {*metric.labels, *(["le"] if ending == "_bucket" else [])}
    return named


FROM_PROMETHEUS = {"job", "instance"}


@pytest.mark.parametrize("expression", sorted(set(expressions())))
def test_every_metric_and_label_that_is_asked_for_exists(expression: str) -> None:
    named = known_names()
    used = re.findall(r"\b(tiflis_\w+)(\{[^}]*\})?", expression)
    assert used or expression.startswith("up")
    labels: set[str] = set()
    for name, selector in used:
        assert name in named, name
        asked = {label for label, value in re.findall(r"(\w+)(?:=~|!=|!~|=)\"([^\"]*)\"", selector)}
        assert asked <= named[name] | FROM_PROMETHEUS, f"{name} has no {asked}"
        labels |= named[name]
        for label, value in re.findall(r"(\w+)=~?\"([\w|]+)\"", selector):
            allowed = CATALOGUE[re.sub("_(bucket|sum|count)$", "", name.removeprefix(PREFIX))].labels.get(
                label
            )
            assert not allowed or set(value.split("|")) <= set(allowed), f"{name} is never {label}={value}"
    for group in re.findall(r"by \(([^)]*)\)", expression):
        asked = {label.strip() for label in group.split(",")}
        assert asked <= labels | FROM_PROMETHEUS
    assert expression.count("(") == expression.count(")")


def test_legends_name_labels_that_their_expression_keeps() -> None:
    board = json.loads((OBSERVABILITY / "grafana-dashboard.json").read_text())
    for panel in board["panels"]:
        for target in panel.get("targets", []):
            for label in re.findall(r"\{\{(\w+)\}\}", target["legendFormat"]):
                kept = re.search(r"by \(([^)]*)\)", target["expr"])
                assert label in (kept[1] if kept else target["expr"]) or (not kept and label == "worker")


def test_every_metric_is_on_the_dashboard() -> None:
    asked = " ".join(expressions())
    missing = [name for name in CATALOGUE if f"{PREFIX}{name}" not in asked]
    assert missing == []


def test_every_alert_says_what_is_wrong() -> None:
    groups = yaml.safe_load((OBSERVABILITY / "alerts.yml").read_text())["groups"]
    rules = [rule for group in groups for rule in group["rules"]]
    assert len({rule["alert"] for rule in rules}) == len(rules)
    for rule in rules:
        assert rule["labels"]["severity"] in ("critical", "warning", "info")
        assert rule["annotations"]["summary"]


@functools.cache
def all_calls() -> list[tuple[str, str, ast.Call]]:
    """Return every call in the package by the name of the function or method, with its file."""
    return [
        (getattr(node.func, "attr", getattr(node.func, "id", "")), str(path.relative_to(ROOT)), node)
        for path in sorted((ROOT / "tiflis").rglob("*.py"))
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call)
    ]


def calls(name: str) -> Iterator[tuple[str, ast.Call]]:
    """Yield every call of a function or method of this name in the package, with its file."""
    return ((path, call) for called, path, call in all_calls() if called == name)


@pytest.mark.parametrize("name", ["count", "observe"])
def test_what_the_code_counts_is_in_the_catalogue(name: str) -> None:
    """Names and labels as far as they are written out; a wrong one would break what it counts."""
    found = 0
    for path, call in calls(name):
        if not ast.unparse(call.func).startswith("metrics.") or not isinstance(call.args[0], ast.Constant):
            continue
        found += 1
        metric = CATALOGUE[str(call.args[0].value)]
        labels = [part for part in call.args[2 if name == "observe" else 1 :]]
        starred = any(isinstance(part, ast.Starred) for part in labels)
        assert starred or len(labels) == len(metric.labels), f"{path}: {ast.unparse(call)}"
        for part, allowed in zip(labels, metric.labels.values(), strict=False):
            if isinstance(part, ast.Constant) and not starred:
                assert part.value in allowed, f"{path}: {ast.unparse(call)}"
    assert found >= 4


def test_every_kind_of_handover_and_every_breach_is_in_the_catalogue() -> None:
    kinds = {call.args[0].value for _, call in calls("_send") if isinstance(call.args[0], ast.Constant)}
    named = set(CATALOGUE["handoff_sockets_total"].labels["kind"])
    assert {kind for kind in kinds if isinstance(kind, str) and kind in named} == named
    source = (ROOT / "tiflis" / "handoff" / "sender.py").read_text()
    assert set(re.findall(r"self\._send\(\s*\"(\w+)\"", source)) == named
    breaches = {ast.unparse(call.args[0]).split(".")[-1] for _, call in calls("Breach")}
    codes = {str(int(CloseCode[name])) for name in breaches if name in CloseCode.__members__}
    assert codes == set(CATALOGUE["protocol_errors_total"].labels["code"])

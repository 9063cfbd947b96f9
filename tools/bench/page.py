"""The report of a run: docs/performance.md and its plot."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterable
from html import escape
from pathlib import Path

from tools.bench.results import Results
from tools.bench.targets import NATIVE, NODE, verdicts

DOCS = Path(__file__).parents[2] / "docs"
UNITS = {
    "pipelined": "per frame; 200 B up and 1,000 B down, 64 in flight",
    "one at a time": "per frame; the same sizes, 16 pairs with one in flight each",
    "typing": "per frame; 20 B, 10 clients that send 200 per second each",
    "stream to 1": "per delivery of a 4 KiB broadcast",
    "stream to 10": "per delivery",
    "stream to 100": "per delivery",
    "voice": "per MiB; messages of 5 MB in each direction",
    "latency": "per frame; 5,000 frames per second over 50 pairs",
    "500 pairs": "per frame; 500 pairs with one in flight each",
    "1,000 tunnels": "per frame; 1,000 pairs with one in flight each",
    "connect storm": "per client that connects; 100 at a time",
    "register": "per workstation that registers; 100 at a time",
    "watch polling": "per poll",
    "idle": "per ping; 10,000 connections with one every 5 s",
}
NONE = "-"
COLOURS = (
    "#3b6fd4",
    "#5c8be0",
    "#86aaea",
    "#b4c9f3",
    "#8a8a8a",
    "#b0b0b0",
    "#e0873b",
    "#c0392b",
    "#2e8b57",
    "#222222",
)


def write(results: Results, contenders: list[str]) -> None:
    (DOCS / "performance.svg").write_text(plot(results, contenders))
    (DOCS / "performance.md").write_text(page(results, contenders))


def page(results: Results, contenders: list[str]) -> str:
    return f"""# Performance

Written by `make bench`. {machine()}.

The table gives the processor time of **all** processes of a server (workers, main process, bus) in
microseconds per unit of work, from the kernel's accounting. A separate process generates the load. All
contenders were measured in turn in one run, in several rounds. Costs are the minimum over the rounds, because
other load on the machine can only add to them; latencies are the median. Compare columns, not machines.

{table(results, contenders)}

![Cost as a share of that of Node ws](performance.svg)

## Units

{chr(10).join(f"- **{name}**: {unit}" for name, unit in UNITS.items())}

## Latency of a round trip at 5,000 frames per second, in milliseconds

{latencies(results, contenders)}

## Idle connections

{idle(results, contenders)}

## Targets

{targets(results)}
"""


def table(results: Results, contenders: list[str]) -> str:
    rows = [[name, *(_shown(results.get(name, one, "cpu")) for one in contenders)] for name in results.rounds]
    return _table(["µs", *contenders], rows)


def latencies(results: Results, contenders: list[str]) -> str:
    names = ("p50", "p99", "p999")
    rows = [[one, *(_shown(results.get("latency", one, name)) for name in names)] for one in contenders]
    return _table(["", *names], [row for row in rows if row[1] != NONE])


def idle(results: Results, contenders: list[str]) -> str:
    names = ("memory", "percent", "lost")
    rows = [[one, *(_shown(results.get("idle", one, name)) for name in names)] for one in contenders]
    return _table(["", "KiB per connection", "% of a core", "lost"], [row for row in rows if row[1] != NONE])


def targets(results: Results) -> str:
    rows = [
        [
            verdict.text,
            f"≤ {verdict.wanted:g}",
            _shown(verdict.reached),
            "holds" if verdict.holds else f"**no**{verdict.why and ': ' + verdict.why}",
        ]
        for verdict in verdicts(results)
    ]
    return _table(["target", "wanted", "reached", ""], rows)


def console(results: Results, contenders: list[str]) -> str:
    """Return the table for a terminal, and the targets that do not hold."""
    width = max(map(len, contenders)) + 2
    lines = [f"{'µs':16}" + "".join(f"{name:>{width}}" for name in contenders)]
    for scenario in results.rounds:
        cells = (_shown(results.get(scenario, one, "cpu")) for one in contenders)
        lines.append(f"{scenario:16}" + "".join(f"{cell:>{width}}" for cell in cells))
    lines += [
        f"{'holds' if verdict.holds else 'MISSED':8}{verdict.text}: "
        f"{_shown(verdict.reached)} (≤ {verdict.wanted:g})"
        for verdict in verdicts(results)
    ]
    return "\n".join(lines)


def machine() -> str:
    model = next(
        (
            line.partition(":")[2].strip()
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if line.startswith("model name")
        ),
        platform.machine(),
    )
    return (
        f"Machine: {model}, {os.cpu_count()} cores, Linux {platform.release().partition('-')[0]}, "
        f"Python {platform.python_version()}, load average {os.getloadavg()[2]:.0f} when this was written"
    )


def plot(results: Results, contenders: list[str]) -> str:
    """Bars: each contender's cost in each scenario as a share of the Node relay's (or the native one's)."""
    base = NODE if any(NODE in found for found in results.rounds.values()) else NATIVE
    scenarios = [name for name in results.rounds if results.get(name, base, "cpu")]
    shown = [one for one in contenders if any(results.ratio(name, one, base) for name in scenarios)]
    bar, gap, left, top, unit, most = 9.0, 14.0, 130.0, 60.0, 170.0, 4.0
    height = top + len(scenarios) * (len(shown) * bar + gap) + 20
    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="900" height="{height}" font-family="sans-serif" '
        'font-size="10"><rect width="100%" height="100%" fill="white"/>'
    ]
    for number, one in enumerate(shown):
        x, y = left + number % 3 * 240, 12.0 + number // 3 * 14
        out.append(_bar(x, y - 8, 9, 9, COLOURS[number % len(COLOURS)]) + _text(x + 14, y, one))
    y = top
    for scenario in scenarios:
        out.append(_text(left - 6, y + len(shown) * bar / 2 + 3, scenario, anchor="end"))
        for number, one in enumerate(shown):
            ratio = results.ratio(scenario, one, base)
            if ratio is not None:
                width = min(ratio, most) * unit
                out.append(_bar(left, y, width, bar - 1, COLOURS[number % len(COLOURS)]))
                out.append(_text(left + width + 3, y + bar - 2, f"{ratio:.2f}"))
            y += bar
        y += gap
    for share in (0.5, 1.0):
        x = left + share * unit
        out.append(f'<line x1="{x}" y1="{top - 6}" x2="{x}" y2="{height - 18}" stroke="#999"/>')
        out.append(_text(x, height - 6, f"{share:g} of {base}", anchor="middle"))
    return "\n".join([*out, "</svg>\n"])


def _bar(x: float, y: float, width: float, height: float, colour: str) -> str:
    return f'<rect x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height}" fill="{colour}"/>'


def _text(x: float, y: float, text: str, anchor: str = "start") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(text)}</text>'


def _table(head: Iterable[str], rows: Iterable[list[str]]) -> str:
    names = list(head)
    lines = [names, ["---"] * len(names), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def _shown(value: float | None) -> str:
    if value is None:
        return NONE
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"

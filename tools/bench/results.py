"""Figures by scenario and contender, several rounds each, and the kept ones they are compared with."""

from __future__ import annotations

import json
import statistics
from collections import defaultdict
from pathlib import Path

WORSE = 4 / 3  # a ratio that grows by more than a third is a step back
KEPT = Path(__file__).parent / "kept.json"
MIDDLE = ("rate", "p50", "p99", "p999")
Figures = dict[str, float]


class Results:
    """All rounds of one run. Cost is told as the least seen: what else the machine does only adds to it. Of
    rates and waiting times the middle one is told: the least tail would be the luckiest."""

    def __init__(self) -> None:
        self.rounds: dict[str, dict[str, list[Figures]]] = defaultdict(lambda: defaultdict(list))

    def add(self, scenario: str, contender: str, figures: Figures) -> None:
        self.rounds[scenario][contender].append(figures)

    def get(self, scenario: str, contender: str, figure: str) -> float | None:
        values = [
            figures[figure] for figures in self.rounds[scenario].get(contender, []) if figure in figures
        ]
        if not values:
            return None
        return statistics.median(values) if figure in MIDDLE else min(values)

    def ratio(self, scenario: str, contender: str, of: str, figure: str = "cpu") -> float | None:
        mine, other = self.get(scenario, contender, figure), self.get(scenario, of, figure)
        return None if mine is None or not other else mine / other

    def ratios(self, contender: str, of: str) -> dict[str, float]:
        found = {scenario: self.ratio(scenario, contender, of) for scenario in list(self.rounds)}
        return {scenario: round(ratio, 3) for scenario, ratio in found.items() if ratio is not None}


def keep(ratios: dict[str, dict[str, float]]) -> None:
    """`ratios`: of our costs to another contender's, by that contender and scenario."""
    KEPT.write_text(json.dumps(ratios, indent=2) + "\n")


def kept() -> dict[str, dict[str, float]]:
    found: dict[str, dict[str, float]] = json.loads(KEPT.read_text()) if KEPT.exists() else {}
    return found


def steps_back(ratios: dict[str, dict[str, float]], before: dict[str, dict[str, float]]) -> list[str]:
    """Return in words which ratios have become worse by a third."""
    return [
        f"{scenario}: {ratio:.2f} of {of}, was {before[of][scenario]:.2f}"
        for of, found in ratios.items()
        for scenario, ratio in found.items()
        if scenario in before.get(of, {}) and ratio > before[of][scenario] * WORSE
    ]

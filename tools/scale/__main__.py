"""The table of docs/scale.md: python -m tools.scale"""

from __future__ import annotations

from tools.scale.model import LIMIT, Size, outage

SIZES = (
    Size(hosts=1, users=250_000),
    Size(hosts=5, users=800_000),
    Size(hosts=21, users=1_000_000),
)


def table() -> str:
    lines = [
        "| hosts | users | half of all back | 99 % | all | registrations refused | without the bound |",
        "|---|---|---|---|---|---|---|",
    ]
    return "\n".join([*lines, *map(_row, SIZES)])


def _row(size: Size) -> str:
    story = outage(size)
    times = [f"{story.clients[percent]:.0f} s" for percent in (50, 99, 100)]
    loose = outage(Size(size.hosts, size.users, at_once=None))
    other = f"{loose.clients[100]:.0f} s" if loose.over else f"not within {LIMIT:.0f} s"
    return f"| {size.hosts} | {size.users:,} | {' | '.join(times)} | {story.refused:,.0f} | {other} |"


if __name__ == "__main__":
    print(table())

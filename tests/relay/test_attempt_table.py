"""The attempt table keeps the same entries as a plain reading of its rules."""

import mmap
import random

from tiflis.relay.auth.attempt_table import ID_SIZE, PREFIX, Shape, Table

SHAPES = (Shape(1, 8, 3), Shape(2, 8, 1), Shape(1, 16, 10))
WINDOW = 60.0


def plain_put(bucket: list[tuple[bytes, list[float]]], id_: bytes, now: float, shape: Shape) -> bool:
    """Put as `Table.put` does, in a list of ids with their times."""
    known = [place for place, (found, _) in enumerate(bucket) if found == id_]
    ages = [(max(times, default=-1.0), place) for place, (_, times) in enumerate(bucket)]
    alike = [age for age in ages if bucket[age[1]][0][:PREFIX] == id_[:PREFIX]]
    newest, place = min(alike if 2 * len(alike) >= shape.places else ages)
    if not known and newest > now - WINDOW:
        return False
    place = known[0] if known else place
    bucket[place] = (id_, [*(bucket[place][1] if known else []), now][-shape.times :])
    return True


def test_a_bucket_gives_up_its_oldest_entry_that_no_longer_counts() -> None:
    chance = random.Random(7)
    for shape in SHAPES:
        table = Table(mmap.mmap(-1, 4096), 0, shape)
        buckets = [
            [(bytes(ID_SIZE), list[float]()) for _ in range(shape.places)] for _ in range(shape.buckets)
        ]
        now = 1000.0
        for _ in range(2000):
            now += chance.choice((0.5, 1.0, 20.0))
            prefix = chance.choice((1, 2, 3, chance.randrange(4, 1000))).to_bytes(PREFIX, "little")
            id_ = prefix + chance.randrange(1, 12).to_bytes(PREFIX, "little")
            bucket = buckets[int.from_bytes(prefix, "little") % shape.buckets]
            stored = plain_put(bucket, id_, now, shape)
            assert table.put(id_, [*table.get(id_), now], now, WINDOW) == stored
            assert all(table.get(found) == times for found, times in bucket if any(found))

"""A small app under the real arbiter, with real processes."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.harness import Server

TARGET = "tests.arbiter.app:app"


class Stage(Server):
    """A server whose workers take orders: see `tests.arbiter.app`."""

    def __init__(self, folder: Path, workers: int = 2, **options: Any) -> None:
        folder.mkdir(exist_ok=True, parents=True)
        env = {"TEST_FOLDER": str(folder), **options.pop("env", {})}
        super().__init__(workers, target=TARGET, folder=folder, env=env, **options)

    def order(self, name: str) -> None:
        (self.folder / name).touch()

    def revoke(self, name: str) -> None:
        (self.folder / name).unlink()

    def marks(self, kind: str) -> set[int]:
        """Return the processes that left a mark of this kind."""
        return {int(path.name.removeprefix(f"{kind}-")) for path in self.folder.glob(f"{kind}-[0-9]*")}

    def me(self) -> dict[str, Any]:
        """Return the facts of the worker that happens to answer."""
        answer = json.loads(self.get("/me")[1])
        assert isinstance(answer, dict)
        return answer


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Callable[..., Stage]]:
    """Makes stages, not started; what still runs at the end of the test is killed."""
    made: list[Stage] = []

    def make(**options: Any) -> Stage:
        made.append(Stage(options.pop("folder", tmp_path), **options))
        return made[-1]

    yield make
    for one in made:
        one.kill_everything()

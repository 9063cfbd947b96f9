"""Waiting for conditions with a deadline, instead of sleeping for luck."""

from collections.abc import Callable

from tests.patience import PATIENCE, eventually


async def until(condition: Callable[[], bool], seconds: float = PATIENCE) -> None:
    """Return as soon as the condition holds; fail when it does not in time."""
    await eventually(condition, seconds, "the condition holds")

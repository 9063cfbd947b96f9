"""The measurements of devices that stay, in small: what they find at a real server holds."""

from __future__ import annotations

from tools.staying import push, resume


async def test_a_notification_is_posted_though_the_workers_that_send_it_are_killed() -> None:
    found = await push.measure(kills=2, workers=2, calm=1)
    assert (found.lost, found.shown_twice) == ([], []), found.text()


async def test_clients_that_are_cut_and_killed_lose_and_repeat_nothing() -> None:
    found = await resume.measure(resume.Options(clients=8, seconds=4, every=1, kills=1, workers=2))
    assert (found.lost, found.doubled) == (0, 0), found.text()

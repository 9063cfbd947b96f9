"""The web client below a path prefix, behind nginx as docs/proxies.md configures it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import cast

import pytest

from tests.client.conftest import NewApp
from tests.client.desk import Desk
from tests.client.loop import LoopThread
from tests.harness import Server
from tests.system.fronts import below_x
from tests.system.nginx import Nginx


@pytest.fixture
def below(server: Server) -> Iterator[Nginx]:
    with Nginx(server, change=below_x, prefix="/x") as nginx:
        yield nginx


def test_the_page_pairs_chats_and_comes_back_below_a_path(
    new_app: NewApp, loop: LoopThread, below: Nginx
) -> None:
    with Desk(loop, cast(Server, below)) as desk:
        app = new_app(f"{below.url}{below.prefix}", desk)
        app.enter("supervisor")
        app.say("code")
        app.reads("A small function first")
        assert app.page.url.startswith(f"{below.url}/x/#/")
        app.page.reload()
        app.until_online()
        app.reads("A small function first")

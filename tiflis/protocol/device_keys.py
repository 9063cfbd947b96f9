"""The written forms of device keys and human codes."""

import re
from collections.abc import Callable

KEY_ID = re.compile(r"[A-Za-z0-9_-]{8}")
KEY_ID_BYTES, SECRET_BYTES = 6, 24  # in base64url 8 and 32 characters
CODE_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"  # Crockford's base32: no I, L, O and U
CODE_LENGTH = 8
LONGEST_CODE = 32  # characters of a code as people write it
_KEY = re.compile(r"dk_([A-Za-z0-9_-]{8})_[A-Za-z0-9_-]{32}")
_ALIKE = str.maketrans("ILO", "110", " -\t")


def device_key(key_id: str, secret: str) -> str:
    """Return a device key: ``dk_<key id>_<secret>``."""
    return f"dk_{key_id}_{secret}"


def key_id_of(text: str) -> str:
    """Return the key id in a device key; empty for any other text, such as the workstation's own key."""
    if not text.startswith("dk_"):
        return ""
    found = _KEY.fullmatch(text.strip())
    return found[1] if found else ""


def new_code(below: Callable[[int], int]) -> str:
    """Return a new human code. ``below``: a random number below its argument."""
    return "".join(CODE_ALPHABET[below(len(CODE_ALPHABET))] for _ in range(CODE_LENGTH))


def shown_code(code: str) -> str:
    """Return a code as people read it: in two groups."""
    return f"{code[:4]}-{code[4:]}"


def read_code(text: str) -> str:
    """Return the code that a person has typed; empty if it is none. Case, spaces and hyphens do not count."""
    if len(text) > LONGEST_CODE:
        return ""
    code = text.upper().translate(_ALIKE)
    return code if len(code) == CODE_LENGTH and set(code) <= set(CODE_ALPHABET) else ""

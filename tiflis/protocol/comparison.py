"""The only place where secrets are compared: in constant time, so that no prefix can be guessed."""

import hmac


def equal(one: bytes, other: bytes) -> bool:
    """Return whether both are the same, in a time that depends on their lengths alone.

    Keys of peers are compared in ``relay/auth/rate_limit.py`` only, where every comparison is counted.
    """
    return hmac.compare_digest(one, other)

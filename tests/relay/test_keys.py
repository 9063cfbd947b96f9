"""Keys are compared over digests; a rotation of the registration keys loses no tunnel."""

from tiflis.relay.auth.keys import Keyring, Trial, plain
from tiflis.relay.auth.rate_limit import Caller, Limiter

OLD, NEW = "o" * 32, "n" * 32


def fits(trial: Trial) -> bool:
    return Limiter(None, lambda: 1000.0, lambda data: None).judge("t", Caller("::1", "t"), trial).right


def test_any_of_the_listed_keys_registers() -> None:
    ring = Keyring([NEW, OLD])
    assert [fits(ring.registration(key)) for key in (NEW, OLD, "x" * 32, "", NEW + "\n")] == [
        True,
        True,
        False,
        False,
        True,
    ]


def test_a_digest_verifies_its_key_alone() -> None:
    ring = Keyring([OLD])
    key_id, digest = ring.digest("t", "auth key")
    assert fits(ring.auth("t", ["auth key"], key_id, digest))
    assert fits(ring.auth("t", ["  auth key "], key_id, digest)), "space around does not count"
    assert not fits(ring.auth("t", ["auth kez"], key_id, digest))
    assert not fits(ring.auth("other", ["auth key"], key_id, digest)), "a digest is worth nothing elsewhere"
    assert not fits(ring.auth("t", ["auth key"], "", digest))


def test_a_rotation_keeps_old_digests_valid_and_signs_with_the_first() -> None:
    key_id, digest = Keyring([OLD]).digest("t", "auth key")
    rotated = Keyring([NEW, OLD])
    assert fits(rotated.auth("t", ["auth key"], key_id, digest))
    assert rotated.digest("t", "auth key")[0] != key_id
    assert not fits(Keyring([NEW]).auth("t", ["auth key"], key_id, digest)), "the old one has been taken away"


def test_the_digest_hides_the_key() -> None:
    key_id, digest = Keyring([OLD]).digest("t", "auth key")
    assert OLD not in key_id + digest
    assert "auth key" not in digest
    assert digest == Keyring([OLD]).digest("t", "auth key")[1] != Keyring([NEW]).digest("t", "auth key")[1]


def test_keys_that_cannot_be_encoded_are_wrong_not_a_bug() -> None:
    ring = Keyring([OLD])
    key_id, digest = ring.digest("t", "auth key")
    assert not fits(ring.registration("\ud800" * 32))
    assert not fits(ring.auth("t", ["\ud800" * 16], key_id, digest))
    assert not fits(plain("\ud800", "x"))


def test_a_key_that_the_server_knows() -> None:
    assert fits(plain("abc", " abc\n"))
    assert not fits(plain("abc", "abd"))

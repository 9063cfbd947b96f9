"""Keys are compared over digests; a rotation of the registration keys loses no tunnel."""

from tiflis.relay.keys import Keyring, same_key

OLD, NEW = "o" * 32, "n" * 32


def test_any_of_the_listed_keys_registers() -> None:
    ring = Keyring([NEW, OLD])
    assert [ring.registers(key) for key in (NEW, OLD, "x" * 32, "", NEW + "\n")] == [
        True,
        True,
        False,
        False,
        True,
    ]


def test_a_digest_verifies_its_key_alone() -> None:
    ring = Keyring([OLD])
    key_id, digest = ring.digest("t", "auth key")
    assert ring.matches("t", "auth key", key_id, digest)
    assert ring.matches("t", "  auth key ", key_id, digest), "space around does not count"
    assert not ring.matches("t", "auth kez", key_id, digest)
    assert not ring.matches("other", "auth key", key_id, digest), "a digest is worth nothing elsewhere"
    assert not ring.matches("t", "auth key", "", digest)


def test_a_rotation_keeps_old_digests_valid_and_signs_with_the_first() -> None:
    key_id, digest = Keyring([OLD]).digest("t", "auth key")
    rotated = Keyring([NEW, OLD])
    assert rotated.matches("t", "auth key", key_id, digest)
    assert rotated.digest("t", "auth key")[0] != key_id
    assert not Keyring([NEW]).matches("t", "auth key", key_id, digest), "the old one has been taken away"


def test_the_digest_hides_the_key() -> None:
    key_id, digest = Keyring([OLD]).digest("t", "auth key")
    assert OLD not in key_id + digest
    assert "auth key" not in digest
    assert digest == Keyring([OLD]).digest("t", "auth key")[1] != Keyring([NEW]).digest("t", "auth key")[1]


def test_keys_that_cannot_be_encoded_are_wrong_not_a_bug() -> None:
    ring = Keyring([OLD])
    key_id, digest = ring.digest("t", "auth key")
    assert not ring.registers("\ud800" * 32)
    assert not ring.matches("t", "\ud800" * 16, key_id, digest)
    assert not same_key("\ud800", "x")


def test_same_key() -> None:
    assert same_key("abc", " abc\n")
    assert not same_key("abc", "abd")

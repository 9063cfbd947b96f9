"""Encryption of web push (RFC 8291, with RFC 8188), and the sender's signature (VAPID, RFC 8292)."""

import base64
import os
import struct

import msgspec
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

LARGEST = 3000  # bytes of a payload: push services take 4,096 with everything around it
RECORD = 4096
TOKEN_SECONDS = 12 * 3600.0  # for which a signature is valid; 24 h at most
_POINT = serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint
_LAST = b"\x02"  # ends the last record


def encode64(data: bytes) -> str:
    """Return base64url without padding."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def decode64(text: str) -> bytes:
    """Read base64url with or without padding. Raise ValueError."""
    return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)


def read_point(data: bytes) -> ec.EllipticCurvePublicKey:
    """Return a public key on P-256. Raise ValueError."""
    return ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), data)


def point(key: ec.EllipticCurvePrivateKey) -> bytes:
    """Return the public key of a private one, uncompressed."""
    return key.public_key().public_bytes(*_POINT)


def encrypt(
    payload: bytes,
    receiver: bytes,
    secret: bytes,
    sender: ec.EllipticCurvePrivateKey | None = None,
    salt: bytes = b"",
) -> bytes:
    """Return the body for a subscription. ``receiver``: its public key, ``secret``: its auth secret;
    ``sender`` and ``salt`` are new for each message, and given by tests only."""
    sender, salt = sender or ec.generate_private_key(ec.SECP256R1()), salt or os.urandom(16)
    shared, own = sender.exchange(ec.ECDH(), read_point(receiver)), point(sender)
    material = _derive(shared, secret, b"WebPush: info\0" + receiver + own, 32)
    key = _derive(material, salt, b"Content-Encoding: aes128gcm\0", 16)
    nonce = _derive(material, salt, b"Content-Encoding: nonce\0", 12)
    sealed = AESGCM(key).encrypt(nonce, payload + _LAST, None)
    return salt + struct.pack("!IB", RECORD, len(own)) + own + sealed


def _derive(material: bytes, salt: bytes, info: bytes, length: int) -> bytes:
    return HKDF(hashes.SHA256(), length, salt, info).derive(material)


def authorization(key: ec.EllipticCurvePrivateKey, audience: str, subject: str, now: float) -> str:
    """Return the header that names the sender. ``audience``: the push service's origin; ``subject``: a way to
    reach the operator; ``now``: seconds since 1970."""
    claims = {"aud": audience, "exp": int(now + TOKEN_SECONDS), "sub": subject}
    parts = [encode64(msgspec.json.encode(part)) for part in ({"typ": "JWT", "alg": "ES256"}, claims)]
    signed = ".".join(parts)
    r, s = decode_dss_signature(key.sign(signed.encode(), ec.ECDSA(hashes.SHA256())))
    signature = encode64(r.to_bytes(32, "big") + s.to_bytes(32, "big"))
    return f"vapid t={signed}.{signature}, k={encode64(point(key))}"


def new_key() -> bytes:
    """Return a new private key of 32 bytes."""
    return ec.generate_private_key(ec.SECP256R1()).private_numbers().private_value.to_bytes(32, "big")


def read_key(data: bytes) -> ec.EllipticCurvePrivateKey:
    """Return the private key of 32 bytes. Raise ValueError."""
    return ec.derive_private_key(int.from_bytes(data, "big"), ec.SECP256R1())

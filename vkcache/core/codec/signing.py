"""Signatures: keyed BLAKE2b of 16 bytes, checked before anything is inflated or unpickled.

What may enter: how a key is derived, how a signature is made and compared. Which values need one
is decided by the format that writes them.
"""

from __future__ import annotations

from hashlib import blake2b
from hmac import compare_digest

from attrs import field, frozen

from vkcache.core.codec.envelope import SIGNATURE_SIZE, Envelope
from vkcache.errors import Misconfigured


@frozen
class Signer:
    """Signs with the first key; all keys verify, so that a secret can be rotated."""

    keys: tuple[bytes, ...] = field(repr=False)

    def sign(self, envelope: Envelope, bound_to: bytes | None) -> Envelope:
        """*envelope* with a signature that holds for the wire key *bound_to* only; None: for any key."""
        return envelope.sign(_mac(self.keys[0], envelope, bound_to))

    def verifies(self, envelope: Envelope, bound_to: bytes | None) -> bool:
        """Whether one of the keys made the signature; compared in constant time."""
        return any(compare_digest(_mac(key, envelope, bound_to), envelope.signature) for key in self.keys)


def signer(secrets: tuple[str | bytes, ...], salt: str | bytes) -> Signer | None:
    """A signer whose keys are derived from *secrets* and *salt*; None where there are no secrets.

    :raises Misconfigured: a secret is empty.
    """
    if not secrets:
        return None
    if not all(secrets):
        raise Misconfigured("secret: it is empty; give a long random text, or none at all")
    return Signer(tuple(_derive(_octets(secret), _octets(salt)) for secret in secrets))


def _derive(secret: bytes, salt: bytes) -> bytes:
    extracted = blake2b(secret, person=b"vkcache secret").digest()
    return blake2b(salt, key=extracted, person=b"vkcache signing", digest_size=32).digest()


def _mac(key: bytes, envelope: Envelope, bound_to: bytes | None) -> bytes:
    # Two domains, and the length of the wire key first: no two different inputs are the same bytes.
    message = envelope.covered
    if bound_to is None:
        return blake2b(message, key=key, person=b"vkcache value", digest_size=SIGNATURE_SIZE).digest()
    message = len(bound_to).to_bytes(8, "big") + bound_to + message
    return blake2b(message, key=key, person=b"vkcache bound", digest_size=SIGNATURE_SIZE).digest()


def _octets(text: str | bytes) -> bytes:
    return text.encode("utf-8", "surrogatepass") if isinstance(text, str) else bytes(text)

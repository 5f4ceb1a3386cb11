"""Passwords and PINs: what is good enough, and how it is kept (argon2id, RFC 9106; the library's own costs)."""

from __future__ import annotations

import hashlib
import secrets
import threading
from base64 import b64encode
from itertools import pairwise

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from appliance.errors import ApplianceError, ApplianceRefused

SHORTEST_PASSWORD = 10
PIN_DIGITS = range(6, 13)
LONGEST = 200
LONGEST_WAIT_S = 3.0
_hasher = PasswordHasher()
_AT_ONCE = threading.BoundedSemaphore(2)  # each takes 64 MiB and a core, which the count needs too


def hash_password(password: str) -> str:
    """Return what is kept of a password. Raises ApplianceRefused for one that is too easy."""
    if not SHORTEST_PASSWORD <= len(password) <= LONGEST or len(set(password)) < 4:
        raise ApplianceRefused(
            f"A password has {SHORTEST_PASSWORD} characters or more, and not always the same few. Choose another."
        )
    return _hasher.hash(password)


def hash_pin(pin: str) -> str:
    """Return what is kept of a PIN. Raises ApplianceRefused for one that is too easy."""
    steps = {ord(after) - ord(before) for before, after in pairwise(pin)}
    if not (pin.isascii() and pin.isdigit() and len(pin) in PIN_DIGITS):
        raise ApplianceRefused(
            f"A PIN has {PIN_DIGITS.start} to {PIN_DIGITS.stop - 1} digits. Choose another."
        )
    if len(steps) == 1 and steps <= {-1, 0, 1}:
        raise ApplianceRefused(
            "A PIN that counts up, down or stays the same is guessed first. Choose another."
        )
    return _hasher.hash(pin)


def fits(kept: str | None, given: str) -> bool:
    """Whether what was given is what is kept; takes its time also where nothing is.

    Raises ApplianceError where too many ask at once: who waits holds a thread that somebody else's page needs.
    """
    if not _AT_ONCE.acquire(timeout=LONGEST_WAIT_S):
        raise ApplianceError("Too many people sign in right now. Try again in a moment.")
    try:
        right = _hasher.verify(kept or _nobodys(), given[:LONGEST])
    except (VerificationError, InvalidHashError):
        return False
    finally:
        _AT_ONCE.release()
    return right and bool(kept)


def _nobodys() -> str:
    """Return what no password was ever made into: somebody who is not known takes as long as somebody who is."""
    costs = f"m={_hasher.memory_cost},t={_hasher.time_cost},p={_hasher.parallelism}"
    salt, digest = (
        b64encode(secrets.token_bytes(length)).decode().rstrip("=")
        for length in (_hasher.salt_len, _hasher.hash_len)
    )
    return f"$argon2id$v=19${costs}${salt}${digest}"


def new_token() -> str:
    """Return a random word for a program or a link: 256 bits."""
    return secrets.token_urlsafe(32)


def token_digest(token: str) -> str:
    """Return what is kept of a token: it is random, so a plain digest is enough."""
    return hashlib.sha256(token.encode()).hexdigest()

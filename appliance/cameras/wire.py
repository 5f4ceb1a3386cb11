"""Messages between a camera server and the instrument, which nobody between them can forge, swap or repeat.

Both know a key of 32 bytes, which never travels. The server sends a random number; the client sends another, and proves
with HMAC-SHA256 over both that it has the key; the server proves it in turn. From key and numbers each side makes
a key for each direction of this connection alone. Every message ends in an HMAC under its direction's key over
its place in the sequence, its lengths, its header and its payload: what is changed, left out, sent twice, or
taken from another connection does not verify. Nothing is hidden: pictures of cells travel in the clear.

Sources: RFC 2104 (HMAC); ISO/IEC 9798-4, mechanism 4 (mutual authentication with random numbers).
"""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import json
import secrets
import socket
import struct
import time
from typing import Any

from appliance.errors import ApplianceError

MAGIC = b"hemadiff camera 1\n"
NONCE_BYTES = MAC_BYTES = 32
LENGTHS = struct.Struct(">IQ")
LONGEST_HEADER = 1 << 16
Bytes = bytes | bytearray | memoryview


class WireBroken(ApplianceError):
    """The connection cannot be used any more: cut, silent, or saying what it must not."""


class HungUp(WireBroken):
    """The other side closed the connection."""


class KeyRefused(WireBroken):
    """The other side does not have the same key."""


class Wire:
    """One authenticated connection. Made by `greet_client` or `greet_server`."""

    def __init__(self, connection: socket.socket, send_key: bytes, receive_key: bytes) -> None:
        self._connection = connection
        self._send_key = send_key
        self._receive_key = receive_key
        self._sent = self._received = 0

    def send(self, header: dict[str, Any], payload: Bytes = b"", within_s: float = 30.0) -> None:
        """Send one message. Raises WireBroken where the other side does not take it."""
        text = json.dumps(header, separators=(",", ":"), allow_nan=False).encode()
        if len(text) > LONGEST_HEADER:
            raise ValueError("a header is longer than the other side accepts")
        lengths = LENGTHS.pack(len(text), len(payload))
        mac = _mac(self._send_key, _place(self._sent), lengths, text, payload)
        self._sent += 1
        try:
            self._connection.settimeout(within_s)
            for part in (lengths + text, payload, mac):
                self._connection.sendall(part)
        except OSError as error:
            raise WireBroken(f"The connection broke while sending: {error}.") from error

    def receive(self, most_payload: int, within_s: float | None) -> tuple[dict[str, Any], bytearray]:
        """Return the next message's header and payload, of at most so many bytes.

        within_s: None waits as long as the connection lasts.
        Raises WireBroken where it is cut, silent for too long, too long, or not what the other side sent next.
        """
        deadline = None if within_s is None else time.monotonic() + within_s
        lengths = _exactly(self._connection, LENGTHS.size, deadline)
        header_length, payload_length = LENGTHS.unpack(lengths)
        if header_length > LONGEST_HEADER or payload_length > most_payload:
            raise WireBroken(
                f"A message of {header_length + payload_length} bytes is longer than is allowed."
            )
        text = _exactly(self._connection, header_length, deadline)
        payload = _exactly(self._connection, payload_length, deadline)
        mac = _exactly(self._connection, MAC_BYTES, deadline)
        if not hmac.compare_digest(
            mac, _mac(self._receive_key, _place(self._received), lengths, text, payload)
        ):
            raise WireBroken("A message was changed on its way, or is not the next one.")
        self._received += 1
        header = json.loads(text)  # it verified, so it is what the other side wrote
        if not isinstance(header, dict):
            raise WireBroken("A message has no header.")
        return header, payload

    def close(self) -> None:
        """Hang up; a thread that waits in `receive` hears of it. May be called twice."""
        with contextlib.suppress(OSError):
            self._connection.shutdown(socket.SHUT_RDWR)
        self._connection.close()


def greet_client(connection: socket.socket, key: bytes, within_s: float) -> Wire:
    """Return the wire to a client that proved it has the key. Raises KeyRefused or WireBroken."""
    deadline = time.monotonic() + within_s
    nonce = secrets.token_bytes(NONCE_BYTES)
    _send(connection, MAGIC + nonce, deadline)
    said = _exactly(connection, NONCE_BYTES + MAC_BYTES, deadline)
    nonces = nonce + said[:NONCE_BYTES]
    if not hmac.compare_digest(said[NONCE_BYTES:], _mac(key, b"client", MAGIC, nonces)):
        raise KeyRefused("A client does not have the key of this camera server.")
    _send(connection, _mac(key, b"server", MAGIC, nonces), deadline)
    return Wire(
        connection, send_key=_mac(key, b"to client", nonces), receive_key=_mac(key, b"to server", nonces)
    )


def greet_server(connection: socket.socket, key: bytes, within_s: float) -> Wire:
    """Return the wire to a server that proved it has the key. Raises KeyRefused or WireBroken."""
    deadline = time.monotonic() + within_s
    greeting = _exactly(connection, len(MAGIC) + NONCE_BYTES, deadline)
    if greeting[: len(MAGIC)] != MAGIC:
        raise WireBroken("What answers there is no camera server of this version of Hemadiff.")
    nonce = secrets.token_bytes(NONCE_BYTES)
    nonces = bytes(greeting[len(MAGIC) :]) + nonce
    _send(connection, nonce + _mac(key, b"client", MAGIC, nonces), deadline)
    try:
        proof = _exactly(connection, MAC_BYTES, deadline)
    except HungUp as error:
        raise KeyRefused("The camera server hung up at the greeting: it has another key.") from error
    if not hmac.compare_digest(proof, _mac(key, b"server", MAGIC, nonces)):
        raise KeyRefused("What answers there does not have the key of the camera server.")
    return Wire(
        connection, send_key=_mac(key, b"to server", nonces), receive_key=_mac(key, b"to client", nonces)
    )


def _mac(key: bytes, *parts: Bytes) -> bytes:
    made = hmac.new(key, digestmod=hashlib.sha256)
    for part in parts:
        made.update(part)
    return made.digest()


def _place(number: int) -> bytes:
    return number.to_bytes(8, "big")


def _send(connection: socket.socket, said: bytes, deadline: float) -> None:
    try:
        connection.settimeout(_left_s(deadline))
        connection.sendall(said)
    except OSError as error:
        raise WireBroken(f"The connection broke at the greeting: {error}.") from error


def _exactly(connection: socket.socket, count: int, deadline: float | None) -> bytearray:
    """Read so many bytes, all of them before the deadline (monotonic)."""
    buffer = bytearray(count)
    view, got = memoryview(buffer), 0
    while got < count:
        try:
            connection.settimeout(None if deadline is None else _left_s(deadline))
            read = connection.recv_into(view[got:])
        except TimeoutError as error:
            raise WireBroken("No answer came in time.") from error
        except ConnectionResetError as error:
            raise HungUp("The other side hung up.") from error
        except OSError as error:
            raise WireBroken(f"The connection broke: {error}.") from error
        if read == 0:
            raise HungUp("The other side hung up.")
        got += read
    return buffer


def _left_s(deadline: float) -> float:
    return max(0.001, deadline - time.monotonic())  # 0 would mean not to wait at all

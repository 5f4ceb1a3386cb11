"""Messages that nobody between two machines can forge, swap or repeat."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from appliance.cameras.wire import MAC_BYTES, MAGIC, KeyRefused, Wire, WireBroken, greet_client, greet_server

KEY, OTHER_KEY = b"k" * 32, b"o" * 32
WITHIN_S = 30.0


class Line:
    """Two sockets with a hand between them: what one side sends is carried on by `carry`, changed or not."""

    def __init__(self) -> None:
        self.server, self._server_end = socket.socketpair()
        self.client, self._client_end = socket.socketpair()
        self.carried = bytearray()
        for each in (self.server, self.client, self._server_end, self._client_end):
            each.settimeout(WITHIN_S)

    def carry(self, to_client: bool, count: int | None = None) -> bytes:
        """Take what has been sent one way (or so many bytes of it) without handing it on."""
        end = self._server_end if to_client else self._client_end
        taken = bytearray()
        while count is None or len(taken) < count:
            part = end.recv(65536 if count is None else count - len(taken))
            taken += part
            if count is None or not part:
                break
        self.carried += taken
        return bytes(taken)

    def hand(self, said: bytes, to_client: bool) -> None:
        (self._client_end if to_client else self._server_end).sendall(said)

    def close(self) -> None:
        for each in (self.server, self.client, self._server_end, self._client_end):
            each.close()


@contextmanager
def greeted(server_key: bytes = KEY, client_key: bytes = KEY) -> Iterator[tuple[Line, Wire, Wire]]:
    """A line whose two sides have greeted each other: the line, the server's wire and the client's."""
    line = Line()
    made: list[Wire] = []
    greeting = in_thread(lambda: made.append(greet_client(line.server, server_key, WITHIN_S)))
    answer = in_thread(lambda: made.append(greet_server(line.client, client_key, WITHIN_S)))
    try:
        line.hand(line.carry(True, len(MAGIC) + 32), to_client=True)
        line.hand(line.carry(False, 64), to_client=False)
        line.hand(line.carry(True, MAC_BYTES), to_client=True)
        greeting.join(WITHIN_S)
        answer.join(WITHIN_S)
        server, client = sorted(made, key=lambda wire: wire._connection is line.client)
        yield line, server, client
    finally:
        line.close()


def in_thread(work: Callable[[], object]) -> threading.Thread:
    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    return thread


def test_both_sides_read_what_the_other_wrote() -> None:
    with greeted() as (line, server, client):
        client.send({"ask": "capture"})
        line.hand(line.carry(False), to_client=False)
        assert server.receive(0, WITHIN_S) == ({"ask": "capture"}, bytearray())
        server.send({"ok": True}, bytearray(b"\x00\xff" * 500))
        line.hand(line.carry(True, 12 + 11 + 1000 + MAC_BYTES), to_client=True)
        assert client.receive(1000, WITHIN_S) == ({"ok": True}, bytearray(b"\x00\xff" * 500))


def test_the_key_never_travels() -> None:
    with greeted() as (line, _, client):
        client.send({"ask": "describe"})
        line.carry(False)
        assert KEY not in line.carried
        assert KEY.hex().encode() not in line.carried


@pytest.mark.parametrize("byte", [0, 3, 11, 14, 25, 60, -1, -MAC_BYTES])
def test_a_message_changed_in_any_byte_is_refused(byte: int) -> None:
    with greeted() as (line, server, client):
        server.send({"ok": True}, b"cells" * 8)
        said = bytearray(line.carry(True, 12 + 11 + 40 + MAC_BYTES))
        said[byte] ^= 1
        line.hand(bytes(said), to_client=True)
        line._client_end.shutdown(socket.SHUT_WR)
        with pytest.raises(WireBroken):
            client.receive(1000, WITHIN_S)


def test_a_message_sent_again_is_refused() -> None:
    with greeted() as (line, server, client):
        server.send({"field": 1}, b"one")
        first = line.carry(True)
        line.hand(first, to_client=True)
        assert client.receive(10, WITHIN_S) == ({"field": 1}, bytearray(b"one"))
        line.hand(first, to_client=True)
        with pytest.raises(WireBroken, match="not the next one"):
            client.receive(10, WITHIN_S)


def test_two_messages_that_changed_places_are_refused() -> None:
    with greeted() as (line, server, client):
        server.send({"field": 1}, b"one")
        first = line.carry(True)
        server.send({"field": 2}, b"two")
        line.hand(line.carry(True) + first, to_client=True)
        with pytest.raises(WireBroken, match="not the next one"):
            client.receive(10, WITHIN_S)


def test_the_pixels_of_one_message_do_not_fit_the_header_of_another() -> None:
    with greeted() as (line, server, client):
        server.send({"field": 1}, b"one")
        server.send({"field": 2}, b"two")
        length = 12 + 11 + 3 + MAC_BYTES
        first, second = line.carry(True, length), line.carry(True, length)
        line.hand(first[:23] + second[23:], to_client=True)
        with pytest.raises(WireBroken, match="changed on its way"):
            client.receive(10, WITHIN_S)


def test_a_message_is_not_taken_for_one_from_the_other_side() -> None:
    with greeted() as (line, _, client):
        client.send({"ask": "describe"})
        line.hand(line.carry(False), to_client=True)
        with pytest.raises(WireBroken, match="changed on its way"):
            client.receive(10, WITHIN_S)


def test_a_message_of_another_connection_is_refused() -> None:
    with greeted() as (other_line, other_server, _), greeted() as (line, _, client):
        other_server.send({"field": 1}, b"one")
        line.hand(other_line.carry(True), to_client=True)
        with pytest.raises(WireBroken, match="changed on its way"):
            client.receive(10, WITHIN_S)


def test_a_message_longer_than_allowed_is_refused_before_it_is_read() -> None:
    with greeted() as (line, _, client):
        line.hand(struct.pack(">IQ", 10, 1 << 40), to_client=True)
        with pytest.raises(WireBroken, match="longer than is allowed"):
            client.receive(1000, WITHIN_S)


def test_a_message_cut_short_is_refused() -> None:
    with greeted() as (line, server, client):
        server.send({"ok": True}, b"cells" * 8)
        line.hand(line.carry(True)[:50], to_client=True)
        line._client_end.shutdown(socket.SHUT_WR)
        with pytest.raises(WireBroken, match="hung up"):
            client.receive(1000, WITHIN_S)


def test_silence_ends_in_time() -> None:
    with greeted() as (_, _, client), pytest.raises(WireBroken, match="No answer came in time"):
        client.receive(1000, within_s=0.02)


def test_a_client_with_another_key_is_refused_and_learns_nothing() -> None:
    line = Line()
    line.server.settimeout(WITHIN_S)
    refused: list[BaseException] = []

    def greet() -> None:
        try:
            greet_client(line.server, KEY, WITHIN_S)
        except KeyRefused as error:
            refused.append(error)
            line.server.close()

    def knock() -> None:
        with contextlib.suppress(WireBroken):
            greet_server(line.client, OTHER_KEY, WITHIN_S)

    greeting = in_thread(greet)
    answer = in_thread(knock)
    line.hand(line.carry(True, len(MAGIC) + 32), to_client=True)
    line.hand(line.carry(False, 64), to_client=False)
    greeting.join(WITHIN_S)
    assert line.carry(True, 1) == b""
    line.close()
    answer.join(WITHIN_S)
    assert len(refused) == 1


def test_a_server_with_another_key_is_refused() -> None:
    line = Line()
    refused: list[BaseException] = []

    def greet() -> None:
        try:
            greet_server(line.client, KEY, WITHIN_S)
        except KeyRefused as error:
            refused.append(error)

    answer = in_thread(greet)
    line.hand(MAGIC + b"n" * 32, to_client=True)
    line.carry(False, 64)
    line.hand(b"\x00" * MAC_BYTES, to_client=True)
    answer.join(WITHIN_S)
    line.close()
    assert "does not have the key" in str(refused[0])


def test_something_else_that_answers_is_named_so() -> None:
    line = Line()
    line.hand(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n     ", to_client=True)
    with pytest.raises(WireBroken, match="no camera server"):
        greet_server(line.client, KEY, WITHIN_S)
    line.close()

"""Lines to and from a serial port, which one thread owns.

pyserial's `serial_for_url` opens it, so `socket://` and `/dev/serial/by-id/…` work too. Every read and every write has
a time-out, and nothing waits for the system to drain its buffer (`flush` can hang for ever on a dead USB device).
"""

from __future__ import annotations

import contextlib
import errno
import io
import os
import re
import select
import textwrap
import threading
import time
from collections import deque
from concurrent.futures import Future

import serial

from firmware_bridge.errors import PortGarbled, PortSilent, PortVanished, StageRefused
from firmware_bridge.port_lock import PortLock

LOOK_EVERY_S = 0.2
WRITE_WITHIN_S = 1.0
NO_FILE_READ_S = 0.02
LONGEST_LINE = 1024


class Transport:
    """A port, opened and locked.

    `send` and `line` may be called from any thread. When the port goes, every call that waits ends at once with
    PortVanished, and so does every later one.
    """

    def __init__(self, url: str, baud_rate: int) -> None:
        """Open the port. Raises StageRefused where it is in use or may not be opened, PortVanished where it is not."""
        self.url = url
        self._lock = PortLock(url)
        try:
            self._serial = _open(url, baud_rate)
        except BaseException:
            self._lock.release()
            raise
        self._news = threading.Condition()
        self._lines: deque[str] = deque()
        self._rest = b""
        self._gone: str | None = None
        self._outgoing: deque[tuple[bytes, Future[None]]] = deque()
        self._wake_r, self._wake_w = os.pipe()
        self._closing = False
        self._owner = threading.Thread(target=self._own, name=f"port {url}", daemon=True)
        self._owner.start()

    def send(self, data: bytes) -> None:
        """Write bytes. Raises PortSilent where the port takes none, PortVanished where it is gone."""
        written: Future[None] = Future()
        with self._news:
            self._refuse_gone()
            self._outgoing.append((data, written))
            os.write(self._wake_w, b"!")
        try:
            written.result(timeout=2 * WRITE_WITHIN_S)
        except TimeoutError as error:
            raise PortSilent(f"The stage's port {self.url} takes no bytes. Check the cable.") from error

    def line(self, within_s: float) -> str | None:
        """Return the next line without its end, or None where none came in time.

        What is not printable ASCII is shown as \\x… . Raises PortVanished at once when the port goes.
        """
        deadline = time.monotonic() + within_s
        with self._news:
            while not self._lines:
                self._refuse_gone()
                left = deadline - time.monotonic()
                if left <= 0:
                    return None
                self._news.wait(left)
            return self._lines.popleft()

    def waiting(self) -> list[str]:
        """Return the lines that have come and that nobody asked for."""
        with self._news:
            lines = list(self._lines)
            self._lines.clear()
            self._refuse_gone()
            return lines

    def nothing_came(self, asked: str, heard: list[str]) -> PortSilent | PortGarbled:
        """Return the error for an answer that did not come: silence, or something that is no answer.

        heard: the lines that came instead.
        """
        with self._news:
            heard = [*heard, *([_text(self._rest)] if self._rest else [])]
        if not heard:
            return PortSilent(
                f"The stage on {self.url} did not answer {asked}. Check its power and cable, and the protocol."
            )
        return PortGarbled(
            f'The stage on {self.url} answered {asked} with "{heard[-1][:60]}", which is no answer. '
            "Check the cable, the baud rate and the protocol."
        )

    @property
    def gone(self) -> bool:
        """Whether the port has vanished or was closed."""
        return self._gone is not None

    def close(self) -> None:
        """Close the port. May be called twice, and from any thread."""
        self._closing = True
        with self._news, contextlib.suppress(OSError):
            os.write(self._wake_w, b"!")
        if threading.current_thread() is not self._owner:
            self._owner.join(timeout=2 * WRITE_WITHIN_S)

    def _refuse_gone(self) -> None:
        if self._gone is not None:
            raise PortVanished(self._gone)

    def _own(self) -> None:
        """Read and write until the port goes or is closed. Runs in the one thread that touches the port."""
        reason = f"The stage's port {self.url} was closed."
        try:
            while not self._closing:
                self._write_outgoing()
                self._take_in(self._read())
        except (
            OSError,
            ValueError,
            TypeError,
        ) as error:  # pyserial's own is an OSError; the others: a port torn down
            reason = f"The stage's port {self.url} is gone ({_short(error)}). Plug it in again, then home the stage."
        finally:
            self._end(reason)

    def _read(self) -> bytes:
        file = _file_of(self._serial)
        if file is None:  # a port without a file (rfc2217://) is asked again and again
            return bytes(self._serial.read(1))
        ready, _, _ = select.select([file, self._wake_r], [], [], LOOK_EVERY_S)
        if self._wake_r in ready:
            os.read(self._wake_r, 64)
        return bytes(self._serial.read(4096)) if file in ready else b""

    def _write_outgoing(self) -> None:
        while True:
            with self._news:
                if not self._outgoing:
                    return
                data, written = self._outgoing.popleft()
            try:
                self._serial.write(data)
            except serial.SerialTimeoutException:
                silent = f"The stage's port {self.url} takes no bytes. Check the cable."
                written.set_exception(PortSilent(silent))
            except BaseException as error:
                written.set_exception(PortVanished(f"The stage's port {self.url} is gone ({_short(error)})."))
                raise
            else:
                written.set_result(None)

    def _take_in(self, data: bytes) -> None:
        if not data:
            return
        with self._news:
            *lines, self._rest = re.split(rb"[\r\n]+", self._rest + data)
            self._lines.extend(_text(line) for line in lines if line)
            if len(self._rest) > LONGEST_LINE:  # noise that knows no line ends
                self._lines.append(_text(self._rest))
                self._rest = b""
            self._news.notify_all()

    def _end(self, reason: str) -> None:
        with self._news:
            self._gone = reason
            pending = list(self._outgoing)
            self._outgoing.clear()
            self._news.notify_all()
        for _, written in pending:
            written.set_exception(PortVanished(reason))
        self._lock.release()  # first: the system may give the name of a closed port to another device at once
        with contextlib.suppress(OSError, AttributeError):
            self._serial.close()
        with self._news:
            os.close(self._wake_r)
            os.close(self._wake_w)
            self._wake_w = -1


def _open(url: str, baud_rate: int) -> serial.SerialBase:
    try:
        port = serial.serial_for_url(url, do_not_open=True)
        port.baudrate = baud_rate
        port.timeout = NO_FILE_READ_S
        port.write_timeout = WRITE_WITHIN_S
        port.exclusive = True
        port.open()
        if _file_of(port) is not None:
            port.timeout = 0  # the owner waits in `select`, with a time-out; a read then takes what is there
    except ValueError as error:
        raise StageRefused(f'"{url}" is no port: {error}. Correct the stage\'s port.') from error
    except OSError as error:
        raise _refused(url, error) from error
    return port


def _file_of(port: serial.SerialBase) -> int | None:
    try:
        return int(port.fileno())
    except (AttributeError, io.UnsupportedOperation):
        return None


def _refused(url: str, error: OSError) -> StageRefused | PortVanished:
    code = error.errno or getattr(error.__cause__ or error.__context__, "errno", None)
    if code in (errno.EACCES, errno.EPERM):
        return StageRefused(f"{url} may not be opened by this user. Add the user to the group dialout.")
    if code in (errno.EAGAIN, errno.EBUSY):
        return StageRefused(f"{url} is in use by another program. Stop it first.")
    return PortVanished(
        f"There is no stage on {url} ({_short(error)}). Plug it in, or correct the stage's port."
    )


def _text(line: bytes) -> str:
    shown = line.decode("ascii", "backslashreplace")
    return "".join(c if c.isprintable() or c == "\t" else f"\\x{ord(c):02x}" for c in shown).strip()


def _short(error: BaseException) -> str:
    if code := getattr(error, "errno", None):
        return os.strerror(code)
    said = str(error).split(" (")[0].split("\n")[0].rstrip()
    return textwrap.shorten(said, 160, placeholder=" …") or type(error).__name__

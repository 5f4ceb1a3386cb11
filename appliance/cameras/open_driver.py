"""Which camera a text names, and its driver. A driver's module is imported only when its camera is configured."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from appliance.cameras.camera import Camera
from appliance.errors import ApplianceRefused
from appliance.file_name import printable

DEFAULT_PORT = 7415


@dataclass(frozen=True, slots=True)
class PiSensor:
    """A sensor on this Raspberry Pi's ribbon cable: ``picamera2`` or ``picamera2:NUMBER``."""

    number: int = 0


@dataclass(frozen=True, slots=True)
class UsbSensor:
    """A USB camera: ``v4l2:DEVICE``."""

    device: str


@dataclass(frozen=True, slots=True)
class RemoteSensor:
    """A camera that another machine serves: ``remote:HOST`` or ``remote:HOST:PORT``."""

    host: str
    port: int = DEFAULT_PORT


Sensor = PiSensor | UsbSensor | RemoteSensor


@dataclass(frozen=True, slots=True)
class DriverOptions:
    """What some drivers need besides their camera's name.

    key: the file with the key that a remote camera's server shares.
    pixel_format, white_balance_k, held_frames: of a USB camera (see V4l2Camera).
    """

    key: Path | None = None
    pixel_format: Literal["YUYV", "MJPG"] = "YUYV"
    white_balance_k: int | None = None
    held_frames: int = 2


def parse_sensor(text: str) -> Sensor:
    """Return what a sensor's text names. Raises ApplianceRefused where it names none."""
    kind, colon, rest = text.partition(":")
    if kind == "picamera2" and (not colon or _is_number(rest, most=15)):
        return PiSensor(int(rest or 0))
    if kind == "v4l2" and rest.startswith("/dev/"):
        return UsbSensor(rest)
    if kind == "remote" and rest:
        host, port_colon, port = rest.rpartition(":")
        if rest.startswith("[") and rest.endswith("]"):  # an IPv6 address alone
            return RemoteSensor(rest[1:-1])
        if not port_colon:
            return RemoteSensor(rest)
        if host and _is_number(port, most=65535) and int(port) > 0:
            return RemoteSensor(host.removeprefix("[").removesuffix("]"), int(port))
    raise ApplianceRefused(
        f'There is no camera "{printable(text)}". Use picamera2 or picamera2:NUMBER (Raspberry Pi), v4l2:/dev/videoN '
        "(USB), or remote:HOST or remote:HOST:PORT (a camera server)."
    )


def name_begins(sensor: Sensor) -> str:
    """Return how the name of a sensor's camera begins; in brackets after it stands what the sensor calls itself."""
    match sensor:
        case PiSensor(number=number):
            return f"picamera2:{number}"
        case UsbSensor(device=device):
            return f"v4l2:{device}"
        case RemoteSensor(host=host, port=port):
            return f"remote:{host}:{port}"


def open_driver(sensor: Sensor, options: DriverOptions | None = None) -> Camera:
    """Return a camera's driver, its sensor in hand. Put it behind a FreshCamera before anything is counted.

    Raises ApplianceRefused where something must be installed or said first, and ApplianceError where the camera
    cannot be had.
    """
    options = options or DriverOptions()
    match sensor:
        case PiSensor(number=number):
            from appliance.cameras.picamera import PiCamera

            return PiCamera(number)
        case UsbSensor(device=device):
            from appliance.cameras.v4l2 import V4l2Camera

            return V4l2Camera(device, options.pixel_format, options.white_balance_k, options.held_frames)
        case RemoteSensor(host=host, port=port):
            from appliance.cameras.key import read_key
            from appliance.cameras.remote import RemoteCamera

            if options.key is None:
                raise ApplianceRefused(
                    "A remote camera needs the key of its server. Name its file with [camera] key in the settings, "
                    "or --key; `hemadiff camera key` makes one."
                )
            return RemoteCamera(host, read_key(options.key), port)


def _is_number(text: str, most: int) -> bool:
    return text.isascii() and text.isdigit() and int(text) <= most

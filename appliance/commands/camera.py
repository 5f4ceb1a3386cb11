"""`hemadiff camera`: try a camera, serve it to an instrument on another machine, make the key that both share."""

from __future__ import annotations

import signal
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import click

from appliance.cameras.open_driver import DEFAULT_PORT

if TYPE_CHECKING:
    from appliance.cameras.camera import Exposure

Options = dict[str, Any]


@click.group()
def camera() -> None:
    """Try, serve and lock cameras. Research use only.

    \b
    Examples:
      hemadiff camera try picamera2 --width 2028 --height 1520 --exposure-us 8000
      hemadiff camera key camera.key
      hemadiff camera serve picamera2 --host 192.168.7.2 --key camera.key
    """


@camera.command()
@click.argument("file", type=click.Path(path_type=Path))
def key(file: Path) -> None:
    """Write a new key to FILE, for a camera server and its instrument. Copy it over SSH, not by mail.

    \b
    Example:
      hemadiff camera key /etc/hemadiff/camera.key
    """
    from appliance.cameras.key import make_key

    make_key(file)
    click.echo(f"A new key is in {file}. Copy it to the other machine; keep its mode 600.")


def _usb_options(command: Any) -> Any:
    for option in (
        click.option(
            "--held-frames",
            type=click.IntRange(0, 20),
            default=2,
            show_default=True,
            help="How many frames a USB camera may hold back itself.",
        ),
        click.option("--white-balance-k", type=int, help="Lock a USB camera's white balance there."),
        click.option(
            "--format",
            "pixel_format",
            type=click.Choice(["YUYV", "MJPG"]),
            default="YUYV",
            show_default=True,
            help="What a USB camera sends.",
        ),
    ):
        command = option(command)
    return command


@camera.command()
@click.argument("sensor", metavar="CAMERA")
@click.option("--host", default="127.0.0.1", show_default=True, help="This machine's address to listen on.")
@click.option("--port", type=click.IntRange(0, 65535), default=DEFAULT_PORT, show_default=True)
@click.option("--key", "key_file", type=click.Path(path_type=Path), required=True, help="The shared key.")
@_usb_options
def serve(
    sensor: str,
    host: str,
    port: int,
    key_file: Path,
    pixel_format: Literal["YUYV", "MJPG"],
    white_balance_k: int | None,
    held_frames: int,
) -> None:
    """Serve CAMERA to one instrument on another machine, until Ctrl+C or SIGTERM.

    Only who has the key is answered. Pictures are not encrypted: use a network of the instrument's own.

    \b
    Examples:
      hemadiff camera serve picamera2 --host 192.168.7.2 --key camera.key
      hemadiff camera serve v4l2:/dev/video0 --host 192.168.7.2 --key camera.key
    """
    from appliance.cameras.key import read_key
    from appliance.cameras.open_driver import DriverOptions, RemoteSensor, open_driver, parse_sensor
    from appliance.cameras.server import CameraServer
    from appliance.errors import ApplianceRefused

    named = parse_sensor(sensor)
    if isinstance(named, RemoteSensor):
        raise ApplianceRefused(f"{sensor} is served already. Let the instrument use it directly.")
    options = DriverOptions(None, pixel_format, white_balance_k, held_frames)
    secret = read_key(key_file)
    open_driver(named, options).close()  # say now what is wrong, not when the instrument comes
    server = CameraServer(lambda: open_driver(named, options), secret, host, port)
    try:
        server.start()
        click.echo("Serving {} at {}:{}. Ctrl+C stops it.".format(sensor, *server.address))
        wait_until_told_to_stop()
    finally:
        server.close()


@camera.command("try")
@click.argument("sensor", metavar="CAMERA")
@click.option("--width", type=click.IntRange(16, 16384), required=True, help="px")
@click.option("--height", type=click.IntRange(16, 16384), required=True, help="px")
@click.option("--exposure-us", type=click.IntRange(1, 10_000_000), required=True, help="µs")
@click.option("--gain", type=float, default=1.0, show_default=True)
@click.option("--colour-gains", type=(float, float), help="Red and blue against green.")
@click.option(
    "--frames", type=click.IntRange(1, 1000), default=5, show_default=True, help="How many to take."
)
@click.option("--save", type=click.Path(path_type=Path), help="Keep the last one there (PNG).")
@click.option("--key", "key_file", type=click.Path(path_type=Path), help="A remote camera's key.")
@_usb_options
def try_(sensor: str, **options: Any) -> None:
    """Lock CAMERA to a setting, take some frames through the freshness gate, and say what came.

    CAMERA is picamera2, picamera2:NUMBER, v4l2:/dev/videoN, remote:HOST or remote:HOST:PORT.

    \b
    Examples:
      hemadiff camera try v4l2:/dev/video0 --width 1280 --height 960 --exposure-us 5000
      hemadiff camera try remote:192.168.7.2 --key camera.key --width 2028 --height 1520 --exposure-us 8000
    """
    import time

    from appliance.cameras.camera import CameraSetting
    from appliance.cameras.freshness import FreshCamera, NotFresh
    from appliance.cameras.open_driver import DriverOptions, open_driver, parse_sensor
    from appliance.errors import ApplianceError

    wish = CameraSetting(
        options["width"], options["height"], options["exposure_us"], options["gain"], options["colour_gains"]
    )
    driver = open_driver(
        parse_sensor(sensor),
        DriverOptions(
            options["key_file"], options["pixel_format"], options["white_balance_k"], options["held_frames"]
        ),
    )
    fresh, refused, last = FreshCamera(driver), 0, None
    try:
        in_use = fresh.configure(wish)
        click.echo(
            f"{fresh.name}: {in_use.model}, {in_use.width_px}×{in_use.height_px} {in_use.pixel_format}, "
            f"{in_use.exposure_us} µs, gain {in_use.gain:g}, colour gains {in_use.colour_gains}"
        )
        for number in range(1, options["frames"] + 1):
            asked_ns = time.monotonic_ns()
            try:
                last = fresh.capture(asked_ns)
                click.echo(f"{number}: {_said(last, asked_ns, time.monotonic_ns())}")
            except NotFresh as not_fresh:
                refused += 1
                click.echo(f"{number}: {not_fresh.reason}. {not_fresh}")
    finally:
        fresh.close()
    if options["save"] and last is not None:
        _save(last, options["save"])
    if refused:
        raise ApplianceError(f"{refused} of {options['frames']} frames were not fresh.")


def _said(exposure: Exposure, asked_ns: int, received_ns: int) -> str:
    red, green, blue = exposure.pixels[::8, ::8].reshape(-1, 3).mean(axis=0)
    return (
        f"began {(exposure.start_ns - asked_ns) / 1e6:.1f} ms after it was asked for, came after "
        f"{(received_ns - asked_ns) / 1e6:.1f} ms; red {red:.0f}, green {green:.0f}, blue {blue:.0f}"
    )


def _save(exposure: Exposure, path: Path) -> None:
    from PIL import Image

    from appliance.errors import ApplianceRefused

    try:
        Image.fromarray(exposure.pixels).save(path, format="PNG")
    except OSError as error:
        raise ApplianceRefused(f"{path} cannot be written: {error.strerror or error}.") from error
    click.echo(f"The last one is in {path}.")


def wait_until_told_to_stop() -> None:
    """Return at SIGINT or SIGTERM. Only from the main thread."""
    told = threading.Event()
    before = {each: signal.signal(each, lambda *_: told.set()) for each in (signal.SIGINT, signal.SIGTERM)}
    try:
        told.wait()
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)

"""What is looked at of the hardware: the stage's port and the camera. Nothing moves."""

from __future__ import annotations

import grp
import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING

from appliance.camera_source import FolderSource, SimulatedSource, is_sensor, parse_camera
from appliance.cameras.open_driver import DriverOptions, UsbSensor, open_driver, parse_sensor
from appliance.doctor.finding import Finding, failed, passed, warning
from appliance.errors import ApplianceError, ApplianceRefused
from appliance.real_microscope import stage_settings
from appliance.store_lock import is_held
from firmware_bridge.connect import open_stage
from firmware_bridge.errors import BridgeError, StageRefused

if TYPE_CHECKING:
    from appliance.config import Config

IN_USE = "The instrument has it in hand."


def port(config: Config) -> Finding:
    """Whether the stage's controller answers; while an instrument works with it, whether its port is there."""
    said = config.stage.port
    if said is None:
        if _has_sensor(config):
            do = 'Give [stage] port in the settings, as in "grbl:/dev/hemadiff/stage".'
            return failed("port", "A microscope's camera is set, but no stage.", do)
        return passed("port", f"Not asked for: {_without_stage(config)}.")
    device = said.partition(":")[2]
    if device.startswith("/") and (trouble := _trouble("port", Path(device), "ls -l /dev/serial/by-id")):
        return trouble
    if is_held(config.lock_path):
        return passed("port", f"{device} is there. {IN_USE}")
    try:
        stage = open_stage(stage_settings(config.stage))
    except (ApplianceError, ApplianceRefused, BridgeError, StageRefused) as error:
        return failed("port", str(error), "See to cable, power and [stage] in the settings.")
    try:
        return passed("port", f"{stage.name} answers at {device}.")
    finally:
        stage.close()


def camera(config: Config) -> Finding:
    """Whether the camera of the settings can be had; while an instrument works with it, whether it is there."""
    said = config.camera.source
    if said is None:
        return failed("camera", "No camera is set.", "Give [camera] source in the settings, as in picamera2.")
    if not is_sensor(said):
        return _other_camera(said)
    sensor = parse_sensor(said)
    if isinstance(sensor, UsbSensor) and (
        trouble := _trouble("camera", Path(sensor.device), "ls -l /dev/v4l/by-id")
    ):
        return trouble
    if is_held(config.lock_path):
        return passed("camera", f"{said}. {IN_USE}")
    section = config.camera
    options = DriverOptions(section.key, section.pixel_format, section.white_balance_k, section.held_frames)
    try:
        driver = open_driver(sensor, options)
    except (ApplianceError, ApplianceRefused) as error:
        return failed("camera", str(error), "See to cable, power and [camera] in the settings.")
    try:
        return passed("camera", f"{driver.name} answers.")
    finally:
        driver.close()


def _without_stage(config: Config) -> str:
    source = config.camera.source
    if source is None:
        return "no camera is set"
    if isinstance(parse_camera(source), SimulatedSource):
        return "the simulated microscope has a stage of its own"
    return "pictures from a folder need no stage"


def _has_sensor(config: Config) -> bool:
    return config.camera.source is not None and is_sensor(config.camera.source)


def _other_camera(said: str) -> Finding:
    match parse_camera(said):
        case SimulatedSource():
            return warning(
                "camera", "It is simulated: no result is a patient's.", "Set a real one to count patients'."
            )
        case FolderSource(folder=folder) if not os.access(folder, os.R_OK | os.X_OK):
            return failed(
                "camera", f"The folder {folder} cannot be read.", "See to [camera] source in the settings."
            )
    return passed("camera", f"{said}.")


def _trouble(what: str, device: Path, look: str) -> Finding | None:
    """Return why a device cannot be used; None where it can."""
    try:
        found = device.stat()
    except OSError:
        return failed(what, f"There is no {device}.", f"Plug it in and switch it on; what is there: {look}")
    if os.access(device, os.R_OK | os.W_OK):
        return None
    group = _group(found.st_gid)
    do = f"Join its group and sign in again: sudo usermod -aG {group} $USER"
    if not stat.S_IMODE(found.st_mode) & stat.S_IRGRP:
        do = "Install the udev rules (systemd/install.sh), or run this as the user of the instrument."
    return failed(what, f"{device} is there, but user {os.geteuid()} may not use it.", do)


def _group(number: int) -> str:
    try:
        return grp.getgrgid(number).gr_name
    except KeyError:
        return str(number)

"""Cameras: one protocol, one freshness gate, and a file for each kind of sensor."""

from appliance.cameras.camera import Camera, CameraInUse, CameraSetting, Exposure
from appliance.cameras.freshness import FreshCamera, FreshnessLimits, NotFresh

__all__ = [
    "Camera",
    "CameraInUse",
    "CameraSetting",
    "Exposure",
    "FreshCamera",
    "FreshnessLimits",
    "NotFresh",
]

"""What runs here: of ours, and of what it stands on."""

from __future__ import annotations

import platform
from importlib import metadata

from appliance.version import version

LIBRARIES = ("onnxruntime", "onnxruntime-gpu", "numpy", "opencv-python-headless", "sqlite-utils", "flask")


def versions() -> dict[str, str]:
    """Return them by name, ours first; a library that is not installed is left out."""
    said = {"hemadiff": version(), "Python": platform.python_version(), "system": platform.platform()}
    for name in LIBRARIES:
        try:
            said[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return said

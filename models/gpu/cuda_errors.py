"""The names of CUDA's errors: PyCUDA only tells what they mean.

Source: the CUDA Driver API (cuGetErrorName, cuGetErrorString).
"""

from __future__ import annotations

import ctypes
import re
from collections.abc import Mapping

LAST_CODE = 999  # CUDA_ERROR_UNKNOWN
# PyCUDA says "cuMemAlloc failed: out of memory", and sometimes " - " and more after it.
_SAID = re.compile(r"\w+ failed: (?P<meaning>.*?)(?: - .*)?", re.DOTALL)


def names_by_meaning(library: str = "libcuda.so.1") -> dict[str, str]:
    """Return the name of every error by what the driver says that it means; nothing where there is no driver."""
    try:
        driver = ctypes.CDLL(library)
        driver.cuGetErrorName, driver.cuGetErrorString  # noqa: B018
    except (OSError, AttributeError):
        return {}
    names = {}
    for code in range(1, LAST_CODE + 1):
        name, meaning = ctypes.c_char_p(), ctypes.c_char_p()
        known = driver.cuGetErrorName(code, ctypes.byref(name)) == 0
        if (
            known
            and driver.cuGetErrorString(code, ctypes.byref(meaning)) == 0
            and name.value
            and meaning.value
        ):
            names[meaning.value.decode()] = name.value.decode()
    return names


def named(error: Exception, names: Mapping[str, str]) -> str:
    """Return an error of PyCUDA in words that begin with the name of CUDA's error."""
    said = str(error)
    match = _SAID.fullmatch(said)
    name = names.get(match["meaning"], "") if match else ""
    return f"{name or 'a CUDA error'} ({said})"

"""A calibration on record: who measured what, when and with what, how well, and what can be looked at."""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from calibration.errors import CalibrationRefused
from calibration.measured import Measured
from calibration.scale import Scale
from calibration.setup import Setup

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

PIXEL_SIZE = "um_per_px"
BY_RULER = (PIXEL_SIZE, "um_per_px_x", "um_per_px_y")
LEAST_CLAIMED = 1e-4  # standard, of a pixel size whose ruler's pitch was taken as exact
LONGEST_SIDE_PX = 480
MOST_SIDE_PX = 4096
"""Of evidence that was made elsewhere."""
MOST_BYTES = 16_000_000
"""Of evidence and parts together."""

_NAME = re.compile(r"[a-z][a-z0-9_]{0,63}")
_ID = re.compile(r"cal-[0-9a-f]{12}")
_PNG = b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR"  # how the header begins; width and height follow


@dataclass(frozen=True, slots=True)
class Ruler:
    """What was measured against. kind: "stage micrometer", "grid", …  serial, certificate: as engraved and as filed.

    pitch_uncertainty_um: standard, as its certificate has it; None where the pitch was taken as exact.
    """

    kind: str
    pitch_um: float
    serial: str = ""
    certificate: str = ""
    pitch_uncertainty_um: float | None = None

    def __post_init__(self) -> None:
        """Raise CalibrationRefused for a pitch that no ruler has."""
        if not (math.isfinite(self.pitch_um) and self.pitch_um > 0):
            raise CalibrationRefused(f"A ruler with a pitch of {self.pitch_um:g} µm is not possible.")
        known = self.pitch_uncertainty_um
        if known is not None and not (math.isfinite(known) and known >= 0):
            raise CalibrationRefused(
                f"A ruler cannot have a pitch known to {known:g} µm. Give what its certificate has."
            )

    @property
    def pitch_said(self) -> str:
        """The pitch, and how well it is known, in words."""
        known = self.pitch_uncertainty_um
        return f"{self.pitch_um:g} µm {'(taken as exact)' if known is None else f'± {known:g} µm'}"

    def claimed(self, size: Measured) -> Measured:
        """Return a pixel size by it as a person may claim it: no ruler whose pitch nobody states is known that well."""
        if self.pitch_uncertainty_um is not None:
            return size
        return Measured(size.value, max(size.uncertainty, LEAST_CLAIMED * abs(size.value)), size.unit)

    def contents(self) -> dict[str, Any]:
        """Return it as JSON's objects. What nobody stated is left out: older records never had it."""
        said = {
            "kind": self.kind,
            "pitch_um": float(self.pitch_um),
            "serial": self.serial,
            "certificate": self.certificate,
        }
        known = self.pitch_uncertainty_um
        return said if known is None else {**said, "pitch_uncertainty_um": float(known)}


@dataclass(frozen=True, slots=True)
class Residuals:
    """What a fit left over. at: where (or when) each value was measured; left: measured less fitted."""

    at: tuple[float, ...]
    at_unit: str
    left: tuple[float, ...]
    unit: str

    def __post_init__(self) -> None:
        """Raise CalibrationRefused where places and values do not belong together."""
        object.__setattr__(self, "at", tuple(float(each) for each in self.at))
        object.__setattr__(self, "left", tuple(float(each) for each in self.left))
        if len(self.at) != len(self.left) or not all(math.isfinite(each) for each in (*self.at, *self.left)):
            raise CalibrationRefused("Residuals need a place for every value, and numbers throughout.")

    @property
    def rms(self) -> float:
        """Root of the mean square."""
        return math.sqrt(sum(each * each for each in self.left) / len(self.left)) if self.left else 0.0


@dataclass(frozen=True, slots=True)
class Evidence:
    """A picture of what was measured. caption: a sentence for a person.  png: small."""

    name: str
    caption: str
    png: bytes = field(repr=False)

    def __post_init__(self) -> None:
        """Raise CalibrationRefused for what is no PNG, or a huge one."""
        if not self.png.startswith(_PNG) or len(self.png) < 24:
            raise CalibrationRefused(f'The evidence "{self.name}" is no PNG picture.')
        width, height = (int.from_bytes(self.png[at : at + 4], "big") for at in (16, 20))
        if not (0 < width <= MOST_SIDE_PX and 0 < height <= MOST_SIDE_PX):
            raise CalibrationRefused(
                f'The evidence "{self.name}" says that it is {width} × {height} px: at most {MOST_SIDE_PX} each way.'
            )

    @property
    def sha256(self) -> str:
        """Of the file's bytes."""
        return hashlib.sha256(self.png).hexdigest()

    @classmethod
    def of(cls, name: str, caption: str, pixels: NDArray[np.uint8]) -> Evidence:
        """Return a picture, made small. pixels: uint8, H×W×3 RGB or H×W grey."""
        import cv2  # here: whoever only reads records need not wait for it
        import numpy as np

        share = LONGEST_SIDE_PX / max(pixels.shape[:2])
        if share < 1:
            size = [max(1, round(side * share)) for side in pixels.shape[1::-1]]
            pixels = np.asarray(cv2.resize(pixels, size, interpolation=cv2.INTER_AREA), np.uint8)
        shown = pixels if pixels.ndim == 2 else pixels[..., ::-1]
        written, png = cv2.imencode(".png", np.ascontiguousarray(shown))
        if not written:
            raise CalibrationRefused(f'The evidence "{name}" cannot be written as a PNG picture.')
        return cls(name, caption, png.tobytes())


@dataclass(frozen=True, slots=True)
class CalibrationRecord:
    """One calibration of one setup. It never changes: its digest is its name.

    made: when; by: who.  expires: None where it does not.  software, firmware: hemadiff and the stage's controller.
    ruler: None where nothing of known length was measured.
    values: by name, as in "um_per_px", "backlash_x_um"; the pixel size is always among them.
    residuals: by the name of the fit.  evidence: pictures.  parts: what a value cannot hold (a gain map), by name,
    in the form in which its routine writes it.
    """

    setup: Setup
    made: datetime
    by: str
    values: Mapping[str, Measured]
    software: str = ""
    firmware: str = ""
    expires: datetime | None = None
    ruler: Ruler | None = None
    residuals: Mapping[str, Residuals] = field(default_factory=dict)
    evidence: Sequence[Evidence] = ()
    parts: Mapping[str, bytes] = field(default_factory=dict, repr=False)
    note: str = ""
    digest: str = field(init=False, compare=False)

    def __post_init__(self) -> None:
        """Take copies and make the digest. Raises CalibrationRefused for what is no calibration."""
        for name in ("values", "residuals", "parts"):
            object.__setattr__(self, name, MappingProxyType(dict(getattr(self, name))))
        object.__setattr__(self, "evidence", tuple(self.evidence))
        object.__setattr__(self, "made", _whole_second(self.made))
        if self.expires is not None:
            object.__setattr__(self, "expires", _whole_second(self.expires))
        self._refuse_nonsense()
        object.__setattr__(self, "digest", digest_of(self.contents()))

    @property
    def id(self) -> str:
        """Names it in frames and in every result: the beginning of its digest."""
        return f"cal-{self.digest[:12]}"

    @property
    def um_per_px(self) -> Measured:
        """The pixel size."""
        return self.values[PIXEL_SIZE]

    @property
    def claimed(self) -> dict[str, Measured]:
        """The values as they are shown to a person (`Ruler.claimed`)."""
        if self.ruler is None:
            return dict(self.values)
        return {
            name: self.ruler.claimed(value) if name in BY_RULER else value
            for name, value in self.values.items()
        }

    @property
    def scale(self) -> Scale:
        """The pixel size as frames and results carry it."""
        return Scale(
            self.um_per_px.value, f"calibration of {self.made:%Y-%m-%d}: {self.setup}", self.id, self.expires
        )

    def expired(self, now: datetime) -> bool:
        """Whether it is no longer valid."""
        return self.expires is not None and now >= self.expires

    def contents(self) -> dict[str, Any]:
        """Return what the digest covers, as JSON's objects; bytes by their digests."""
        width, height = self.setup.region
        return {
            "setup": {
                "objective": self.setup.objective,
                "camera": self.setup.camera,
                "binning": self.setup.binning,
                "region": {"width": width, "height": height},
            },
            "made": self.made.isoformat(),
            "expires": None if self.expires is None else self.expires.isoformat(),
            "by": self.by,
            "software": self.software,
            "firmware": self.firmware,
            "ruler": None if self.ruler is None else self.ruler.contents(),
            "values": {
                name: {"value": float(each.value), "uncertainty": float(each.uncertainty), "unit": each.unit}
                for name, each in self.values.items()
            },
            "residuals": {
                name: {
                    "at": list(each.at),
                    "at_unit": each.at_unit,
                    "left": list(each.left),
                    "unit": each.unit,
                }
                for name, each in self.residuals.items()
            },
            "evidence": [
                {"name": each.name, "caption": each.caption, "sha256": each.sha256} for each in self.evidence
            ],
            "parts": {name: hashlib.sha256(data).hexdigest() for name, data in self.parts.items()},
            "note": self.note,
        }

    def _refuse_nonsense(self) -> None:
        if not self.by.strip():
            raise CalibrationRefused("A calibration says who made it. Give a name.")
        size = self.values.get(PIXEL_SIZE)
        if size is None or size.unit != "µm/px":
            raise CalibrationRefused(f'A calibration needs the pixel size: "{PIXEL_SIZE}", in µm/px.')
        Scale(size.value, f"measured by {self.by}", "new")
        names = [*self.values, *self.residuals, *self.parts, *(each.name for each in self.evidence)]
        for name in names:
            if not _NAME.fullmatch(name):
                raise CalibrationRefused(
                    f'"{name}" cannot name a value: use a-z, 0-9 and _, as in "backlash_x_um".'
                )
        if len({each.name for each in self.evidence}) < len(self.evidence):
            raise CalibrationRefused("Two pieces of evidence have one name. Give each its own.")
        if sum(map(len, (*self.parts.values(), *(each.png for each in self.evidence)))) > MOST_BYTES:
            raise CalibrationRefused(
                f"The evidence of a calibration is over {MOST_BYTES // 1_000_000} MB. Keep fewer or smaller pictures."
            )
        if self.expires is not None and self.expires <= self.made:
            raise CalibrationRefused("A calibration cannot expire before it was made. Give a later day.")


def is_record_id(text: str) -> bool:
    """Whether a text is the whole id of a record."""
    return _ID.fullmatch(text) is not None


def digest_of(contents: Mapping[str, Any]) -> str:
    """Return the SHA-256 of JSON's objects, the same however they were laid out."""
    canonical = json.dumps(
        contents, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
    )
    try:
        return hashlib.sha256(canonical.encode()).hexdigest()
    except UnicodeEncodeError as error:
        raise CalibrationRefused(
            f"{error.object[error.start : error.end]!a} cannot be written down: a name or a note of the calibration "
            "holds a broken character. Type it anew."
        ) from error


def _whole_second(at: datetime) -> datetime:
    if at.tzinfo is None:
        raise CalibrationRefused("A calibration's times need their time zone.")
    try:
        return at.astimezone(UTC).replace(microsecond=0)
    except OverflowError as error:
        raise CalibrationRefused(f"{at.isoformat()} is no time of a calibration.") from error

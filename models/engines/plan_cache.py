"""Plans that TensorRT made, kept under a folder: found by what they were made from and for, or not at all.

A plan is two files: ``plan-KEY.trt``, and ``plan-KEY.json`` that says what it is and the SHA-256 of the first. The
second is written last, and both under other names first, so that an interrupted build leaves nothing that is found.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from models.engines.names import EnginePrecision
from models.engines.profiles import Profile, Shape
from models.errors import EngineRefused

BUILD = "Run hemadiff engines build"
RECORD = 1


@dataclass(frozen=True, slots=True)
class PlanSubject:
    """What a plan was made from and for; a plan of any other subject is foreign or stale.

    weights: the network file's SHA-256.  form: how it was rewritten for TensorRT (`typed_network.FORM`).
    tensorrt: its version.  gpu, capability: the device's name and compute capability.
    """

    network: str
    weights: str
    form: int
    precision: EnginePrecision
    tensorrt: str
    gpu: str
    capability: str


@dataclass(frozen=True, slots=True)
class KeptPlan:
    """A plan on disk. path: its file.  sha256: of that file.  nbytes: its size."""

    subject: PlanSubject
    profiles: tuple[Profile, ...]
    path: Path
    sha256: str
    nbytes: int

    def holds(self, shapes: Sequence[Shape]) -> bool:
        """Whether it takes batches of all these shapes."""
        return all(any(profile.holds(shape) for profile in self.profiles) for shape in shapes)


def plan_key(subject: PlanSubject, profiles: Sequence[Profile]) -> str:
    """Return the SHA-256 of everything that a plan was made from and for."""
    stated = {"subject": asdict(subject), "profiles": [asdict(profile) for profile in profiles]}
    return hashlib.sha256(json.dumps(stated, sort_keys=True).encode()).hexdigest()


class PlanCache:
    """The plans under a folder. Raises EngineRefused where the folder cannot be read or written."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def listed(self) -> list[KeptPlan]:
        """Return every plan whose record can be read, of whatever box and network."""
        found = (self._recorded(path) for path in sorted(self.folder.glob("plan-*.json")))
        return [plan for plan in found if plan is not None]

    def find(self, subject: PlanSubject, shapes: Sequence[Shape]) -> KeptPlan | None:
        """Return a plan of this very subject that takes batches of these shapes; None where there is none."""
        fitting = (plan for plan in self.listed() if plan.subject == subject and plan.holds(shapes))
        return next(fitting, None)

    def load(self, plan: KeptPlan) -> bytes:
        """Return a plan's content, its digest checked."""
        try:
            content = plan.path.read_bytes()
        except OSError as error:
            raise EngineRefused(f"The plan {plan.path} cannot be read: {error.strerror}. {BUILD}.") from error
        if hashlib.sha256(content).hexdigest() != plan.sha256:
            raise EngineRefused(
                f"The plan {plan.path} is damaged. Delete it, then run hemadiff engines build."
            )
        return content

    def keep(self, subject: PlanSubject, profiles: Sequence[Profile], content: bytes) -> KeptPlan:
        """Write a plan, whole or not at all. It replaces one of the same subject and profiles."""
        name = f"plan-{plan_key(subject, profiles)[:24]}"
        plan = KeptPlan(
            subject,
            tuple(profiles),
            self.folder / f"{name}.trt",
            hashlib.sha256(content).hexdigest(),
            len(content),
        )
        self._write(plan.path, content)
        self._write(self.folder / f"{name}.json", _as_text(plan).encode())
        return plan

    def timings(self, subject: PlanSubject) -> bytes:
        """Return what TensorRT measured in earlier builds on such a device; empty where there was none."""
        try:
            return self._timing_file(subject).read_bytes()
        except OSError:
            return b""  # a build only takes longer

    def keep_timings(self, subject: PlanSubject, content: bytes) -> None:
        """Keep what TensorRT measured, for the next build."""
        self._write(self._timing_file(subject), content)

    @contextmanager
    def building(self) -> Iterator[None]:
        """Hold the folder for a build: a second one at the same time is refused."""
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            lock = os.open(self.folder / "building.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        except OSError as error:
            raise self._unwritable(error) from error
        try:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise EngineRefused(
                    f"Plans are being built into {self.folder} already. Wait until that build has finished."
                ) from error
            for unfinished in self.folder.glob("*.trt.part"):  # of a build that a power cut ended
                unfinished.unlink(missing_ok=True)
            yield
        finally:
            os.close(lock)

    def _recorded(self, path: Path) -> KeptPlan | None:
        try:
            plan = _from_table(json.loads(path.read_text(encoding="utf-8")), path)
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return None
        named = path.stem == f"plan-{plan_key(plan.subject, plan.profiles)[:24]}"
        return plan if named and plan.path.is_file() else None

    def _timing_file(self, subject: PlanSubject) -> Path:
        device = f"{subject.tensorrt} {subject.gpu} {subject.capability}"
        return self.folder / f"timings-{hashlib.sha256(device.encode()).hexdigest()[:16]}.cache"

    def _write(self, path: Path, content: bytes) -> None:
        unfinished = path.with_name(f"{path.name}.part")
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            try:
                with unfinished.open("wb") as file:
                    file.write(content)
                    file.flush()
                    os.fsync(file.fileno())
                os.replace(unfinished, path)
            except BaseException:
                unfinished.unlink(missing_ok=True)
                raise
        except OSError as error:
            raise self._unwritable(error) from error

    def _unwritable(self, error: OSError) -> EngineRefused:
        return EngineRefused(
            f"Plans cannot be kept in {self.folder}: {error.strerror}. Make it writable, or set [engine] cache."
        )


def _as_text(plan: KeptPlan) -> str:
    table = {
        "record": RECORD,
        "subject": asdict(plan.subject),
        "profiles": [asdict(profile) for profile in plan.profiles],
        "sha256": plan.sha256,
        "bytes": plan.nbytes,
    }
    return json.dumps(table, indent=1, ensure_ascii=False) + "\n"


def _from_table(table: dict[str, Any], path: Path) -> KeptPlan:
    if table["record"] != RECORD:
        raise ValueError
    stated = dict(table["subject"])
    subject = PlanSubject(**{**stated, "precision": EnginePrecision(stated["precision"])})
    profiles = tuple(
        Profile(_shape(each["least"]), _shape(each["usual"]), _shape(each["most"]))
        for each in table["profiles"]
    )
    return KeptPlan(subject, profiles, path.with_suffix(".trt"), str(table["sha256"]), int(table["bytes"]))


def _shape(sides: Sequence[int]) -> Shape:
    count, height, width, colours = (int(side) for side in sides)
    return count, height, width, colours

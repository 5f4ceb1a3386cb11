"""The settings: one TOML file and environment variables, every key known, every value checked.

`HEMADIFF_SECTION__KEY` in the environment goes before the file; what neither says has the default given here.
"""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Iterator, Mapping
from contextvars import ContextVar
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    Field,
    ValidationError,
    model_validator,
)
from pydantic_settings import BaseSettings, InitSettingsSource, PydanticBaseSettingsSource, SettingsConfigDict

from appliance.camera_source import is_sensor, parse_camera, parse_order
from appliance.config_engine import EngineSection, EngineSettings, settled
from appliance.config_microscope import MicroscopeSection, SensorSection, StageSection
from appliance.config_section import Section, WholePath
from appliance.config_sources import (
    DELIMITER,
    PREFIX,
    Key,
    Source,
    find_file,
    from_environment,
    from_file,
)
from appliance.errors import ApplianceRefused
from appliance.socket_path import checked_socket_path
from appliance.store_lock import lock_path
from models.panel import is_percentage

DEFAULT = "default"
OF_SERVICE = frozenset(
    {"HEMADIFF_CAMERA", "HEMADIFF_STAGE", "HEMADIFF_STAGE_X", "HEMADIFF_STAGE_Y", "HEMADIFF_STAGE_Z"}
)
"""Variables that name hardware for service commands and for tests on it, and are no settings."""
Limit = Annotated[float, Field(gt=0, lt=100)]
AtLeastNothing = Annotated[float, Field(ge=0)]


def _low_and_high(values: tuple[float, ...]) -> tuple[float, ...]:
    if len(values) not in (0, 2) or list(values) != sorted(values):
        raise ValueError("a range is [low, high], or [] for none")
    return values


def _percentages_to_100(ranges: Mapping[str, tuple[float, ...]]) -> Mapping[str, tuple[float, ...]]:
    """Erythroblasts per 100 white cells and a ratio may pass 100; a percentage may not."""
    for name, values in ranges.items():
        if is_percentage(name) and any(value > 100 for value in values):
            raise ValueError(f"{name} is a percentage, and {max(values):g} is more than 100")
    return ranges


def _camera(text: str) -> str:
    if not is_sensor(text):
        parse_camera(text)
    return text


def _order(text: str) -> str:
    parse_order(text)
    return text


Range = Annotated[tuple[AtLeastNothing, ...], AfterValidator(_low_and_high)]
Ranges = Annotated[Mapping[str, Range], AfterValidator(_percentages_to_100)]


def data_home(env: Mapping[str, str] | None = None) -> Path:
    """Where a user's data belongs (XDG Base Directory Specification)."""
    env = os.environ if env is None else env
    return Path(env.get("XDG_DATA_HOME") or Path.home() / ".local" / "share")


class StoreSection(Section):
    """Where counts are kept."""

    path: WholePath = Field(default_factory=lambda: data_home() / "hemadiff" / "hemadiff.sqlite")


class InstrumentSection(Section):
    """How other programs reach the instrument. socket: unset puts it beside the store."""

    socket: WholePath | None = None


class CameraSection(SensorSection):
    """Where fields come from when a command does not say, and how the sensor of a microscope is locked.

    source: "folder:DIR", "simulated[:SEED]", or a microscope's sensor ("picamera2[:N]", "v4l2:/dev/…", "remote:HOST").
    um_per_px: stated; goes before calibration (a file).
    """

    source: Annotated[str, AfterValidator(_camera)] | None = None
    um_per_px: float | None = Field(default=None, ge=0.01, le=10.0)
    calibration: WholePath | None = None
    order: Annotated[str, AfterValidator(_order)] = "natural"


class CalibrationSection(Section):
    """Calibrations. expired: whether results under an expired one are marked, or refused.  valid_days: of a new one."""

    expired: Literal["warn", "block"] = "warn"
    valid_days: int = Field(default=365, ge=1, le=3650)


class QcSection(Section):
    """Daily quality control. unmet: whether results are marked while it failed or is overdue, or refused.

    every_h: how long one holds, hours.  cells: fewest that are gone over.  least_located_percent: of them.
    most_false_percent: of the finds.
    """

    unmet: Literal["warn", "block"] = "warn"
    every_h: float = Field(default=24.0, gt=0, le=8760)
    cells: int = Field(default=200, ge=1)
    least_located_percent: float = Field(default=95.0, gt=0, le=100)
    most_false_percent: float = Field(default=5.0, ge=0, lt=100)


class SimulatorSection(Section):
    """The simulated microscope. rate: how many times faster than real time it works.  slide: what lies on its stage.

    instrument: 0 is a perfect one, which states its scale; any other number has errors of its own and must be
    calibrated.
    """

    rate: float = Field(default=1.0, ge=0.1, le=200.0)
    slide: Literal["smear", "micrometer", "grid", "blank", "qc"] = "smear"
    instrument: int = Field(default=0, ge=0)


class CountSection(Section):
    """What a run counts, and how far."""

    panel: str = "smear-13"
    specimen: Literal["blood", "marrow"] = "blood"
    min_cells: int = Field(default=300, ge=1)
    max_cells: int = Field(default=500, ge=1)
    merge_band_and_segmented: bool = False
    monocytes_in_me: bool = True
    detector: Literal["network", "saliency"] = "network"

    @model_validator(mode="after")
    def _in_order(self) -> CountSection:
        if self.min_cells > self.max_cells:
            raise ValueError(f"min_cells ({self.min_cells}) is more than max_cells ({self.max_cells})")
        return self


class SpecimenRules(Section):
    """A laboratory's own for one specimen, by label.

    reference: low and high (%; a ratio and NRBC per 100 as they are), none to show no range.
    watched: decision limits (%), none to watch nothing.
    """

    reference: Ranges = Field(default_factory=dict)
    watched: Mapping[str, tuple[Limit, ...]] = Field(default_factory=dict)


class MarrowRules(SpecimenRules):
    """As for any specimen. me_formula: "promyelocyte + myelocyte : erythroblast", in place of the panel's."""

    me_formula: str | None = None


class LaboratorySection(Section):
    """What a laboratory sets itself instead of what a panel proposes."""

    blood: SpecimenRules = SpecimenRules()
    marrow: MarrowRules = MarrowRules()


class WebSection(Section):
    """The page. Every viewer of a live page holds a thread.

    remote_control: other machines may start and stop counts.
    address: how others reach the page, as https://hemadiff.hospital.example; in the code that a phone scans.
    idle_minutes: after which a screen that nobody touches only watches.
    trusted_proxies: addresses of the proxies (127.0.0.1 for one on this machine) that may say for whom they ask.
    """

    host: str = Field(default="127.0.0.1", min_length=1)
    port: int = Field(default=8080, ge=0, le=65535)
    threads: int = Field(default=96, ge=64, le=4096)
    remote_control: bool = False
    address: str = Field(default="", pattern=r"^(https?://[^/\s]+)?/?$")
    idle_minutes: float = Field(default=15.0, ge=0.1, le=720)
    trusted_proxies: tuple[str, ...] = ()


_sources: ContextVar[tuple[Source, ...]] = ContextVar("_sources", default=())


class Config(BaseSettings):
    """The settings in force. `Config()` has the defaults alone; `load_config` reads file and environment."""

    model_config = SettingsConfigDict(frozen=True, extra="forbid")

    store: StoreSection = Field(default_factory=StoreSection)
    instrument: InstrumentSection = InstrumentSection()
    camera: CameraSection = CameraSection()
    stage: StageSection = StageSection()
    microscope: MicroscopeSection = MicroscopeSection()
    calibration: CalibrationSection = CalibrationSection()
    qc: QcSection = QcSection()
    simulator: SimulatorSection = SimulatorSection()
    engine: EngineSection = EngineSection()
    count: CountSection = CountSection()
    laboratory: LaboratorySection = LaboratorySection()
    web: WebSection = WebSection()

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Use our own sources, which know the line or the variable of every value."""
        ours = (InitSettingsSource(settings_cls, source.values) for source in _sources.get())
        return (init_settings, *ours)

    @property
    def socket_path(self) -> Path:
        """The instrument's socket. Raises ApplianceRefused for a path longer than the system takes."""
        return checked_socket_path(self.instrument.socket or self.store.path.parent / "instrument.sock")

    @property
    def engine_settings(self) -> EngineSettings:
        """What runs the networks, the place of its files settled."""
        return settled(self.engine, self.store.path)

    @property
    def lock_path(self) -> Path:
        """The lock of which one instrument per store holds the only hand."""
        return lock_path(self.store.path)


def load_config(path: Path | None = None, env: Mapping[str, str] | None = None) -> Config:
    """Return the settings in force.

    path: from --config; otherwise $HEMADIFF_CONFIG or the first usual file that exists.
    Raises ApplianceRefused with file and line, or variable, and the nearest name for an unknown key or label.
    """
    return load_config_with_origins(path, env)[0]


def load_config_with_origins(
    path: Path | None = None, env: Mapping[str, str] | None = None
) -> tuple[Config, dict[str, str]]:
    """Return the settings in force, and for every dotted key where its value comes from."""
    env = os.environ if env is None else env
    _refuse_near_misses(env)
    file = find_file(path, env)
    sources = (from_environment(env), from_file(file) if file else Source())
    token = _sources.set(sources)
    try:
        config = Config()
    except ValidationError as error:
        raise ApplianceRefused(_sentences(error, sources)) from error
    finally:
        _sources.reset(token)
    _refuse_unknown_labels(config, sources)
    return config, {".".join(key): _origin(key, sources) for key, _ in flat(config)}


def flat(config: Config) -> Iterator[tuple[Key, Any]]:
    """Every key with its value, tables taken apart."""
    return _flat(config.model_dump(), ())


def _flat(table: Mapping[str, Any], above: Key) -> Iterator[tuple[Key, Any]]:
    # TOML wants a table's own values before the tables in it.
    for name, value in sorted(table.items(), key=lambda item: isinstance(item[1], Mapping) and bool(item[1])):
        if isinstance(value, Mapping) and value:
            yield from _flat(value, (*above, name))
        else:
            yield (*above, name), value


def _origin(key: Key, sources: tuple[Source, ...]) -> str:
    return next((source.origins[key] for source in sources if key in source.origins), DEFAULT)


def _refuse_unknown_labels(config: Config, sources: tuple[Source, ...]) -> None:
    if not any(own.reference or own.watched for own in (config.laboratory.blood, config.laboratory.marrow)):
        return  # most settings name no label, and then no panel has to be read
    from appliance.config_labels import unknown_labels

    lines = [f"{_origin(key, sources)}: {what}" for key, what in unknown_labels(config)]
    if lines:
        raise ApplianceRefused("\n".join(sorted(lines, key=_line)))


def _refuse_near_misses(env: Mapping[str, str]) -> None:
    """HEMADIFF_WEB_PORT sets nothing; whoever wrote it meant HEMADIFF_WEB__PORT."""
    for name in env:
        section, _, key = name.removeprefix(PREFIX).lower().partition("_")
        if name in OF_SERVICE:
            continue
        if name.startswith(PREFIX) and section in Config.model_fields and not key.startswith("_"):
            meant = f"{PREFIX}{section}{DELIMITER}{key or 'key'}".upper()
            raise ApplianceRefused(f"The environment variable {name} sets nothing. Did you mean {meant}?")


def _sentences(error: ValidationError, sources: tuple[Source, ...]) -> str:
    """One sentence for every wrong key, each with its place."""
    lines = dict.fromkeys(_sentence(dict(one), sources) for one in error.errors())
    return "\n".join(sorted(lines, key=_line))


def _line(sentence: str) -> int:
    found = re.search(r", line ([0-9]+): ", sentence)
    return int(found[1]) if found else 0


def _sentence(one: dict[str, Any], sources: tuple[Source, ...]) -> str:
    key = tuple(part for part in one["loc"] if isinstance(part, str) and not part.startswith("tuple["))
    origin = next((place for source in sources if (place := source.origin(key))), None)
    where = f"{origin}: " if origin else ""
    if one["type"] == "extra_forbidden":
        return f"{where}{_unknown(key)}"
    name = key[-1] if len(key) > 1 else ""
    table = f"[{'.'.join(key[:-1] or key)}]"
    message = one["msg"].removeprefix("Value error, ")
    message = f"{message[:1].lower()}{message[1:]}".removesuffix(".")
    given = "" if isinstance(one["input"], dict) else f" = {one['input']!r}"
    return f"{where}{table} {name}{given}: {message}.".replace("] :", "]:").replace("] =", "] is")


def _unknown(key: Key) -> str:
    *above, name = key
    known = _keys(tuple(above))
    what = f'[{".".join(above)}] has no key "{name}".' if above else f"there is no section [{name}]."
    elsewhere = [section for section in Config.model_fields if above and name in _keys((section,))]
    if elsewhere:
        return f"{what} Did you mean the one of [{'] or ['.join(elsewhere)}]?"
    near = difflib.get_close_matches(name, known, 1, cutoff=0.4)
    if near:
        return f'{what} Did you mean "{near[0]}"?'
    return f"{what} There are: {', '.join(known)}."


def _keys(table: Key) -> list[str]:
    """The names that a table may have."""
    model: type[BaseModel] = Config
    for part in table:
        found = model.model_fields.get(part)
        if (
            found is None
            or not isinstance(found.annotation, type)
            or not issubclass(found.annotation, Section)
        ):
            return []
        model = found.annotation
    return list(model.model_fields)

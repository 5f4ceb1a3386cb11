"""A simulated smear of blood or marrow: every cell known, drawn where and when somebody looks."""

from __future__ import annotations

import hashlib
import math
import threading
from collections import OrderedDict
from dataclasses import replace

import cv2
import numpy as np
from numpy.typing import NDArray

from appliance.errors import ApplianceRefused
from appliance.simulator import litter, population, red_cells
from appliance.simulator.afar import Afar
from appliance.simulator.grain import Grain
from appliance.simulator.ink import PLASMA, Light, densities
from appliance.simulator.layout import LayingOut, red_crowd, smear_layout
from appliance.simulator.mixture import Mixture, blood
from appliance.simulator.population import SMALL, Stock
from appliance.simulator.real_cells import RealCells
from appliance.simulator.red_cells import RedCells
from appliance.simulator.scatter import Places
from appliance.simulator.slide import NOT_COUNTED, TrueCell
from appliance.simulator.sprites import Sprite, put
from appliance.simulator.white_cells import DrawnCells
from appliance.simulator.zones import Map

WIDTH_UM, HEIGHT_UM = 24_000.0, 12_000.0
COARSEST_DRAWN_UM_PER_PX = 1.2  # beyond it the slide is seen from afar
ON_RASTER_PX = 0.01  # a corner so near a whole pixel lies on it: k · 0.1 / 0.1 may be a little less than k
TILE_UM = 96.0
FILM_PX = 16
TILES_KEPT = 400
STAMPS_KEPT = 250
VIEWS_KEPT = 3  # so that a stack of heights over one place is drawn once
LARGEST_CELL_UM = 30.0  # no nucleated cell's half width is more
STACK_UM = 26.0  # how far a rouleau reaches from its first cell
THICK = 25.0  # red cells per 1000 µm² from which they no longer keep clear of other cells
DRAWING = "2"  # changes whenever the same seed draws something else


class Smear:
    """A slide with a smear. The same seed, mixture and size give the same slide, however it is looked at.

    Any thread may look; they take turns, because what was drawn last is kept.
    """

    def __init__(
        self,
        seed: int = 0,
        mixture: Mixture | None = None,
        width_um: float = WIDTH_UM,
        height_um: float = HEIGHT_UM,
        lay: LayingOut = smear_layout,
        title: str = "simulated smear",
    ) -> None:
        """Place everything, as `lay` says. title: what it is called, before its seed.

        Raises ApplianceRefused for a negative seed, a slide too small, or a folder without cells.
        """
        if seed < 0 or width_um < 2000 or height_um < 2000:
            raise ApplianceRefused(
                "A simulated smear needs a seed from 0 on and a slide of at least 2 × 2 mm."
            )
        self._one_at_a_time = threading.Lock()
        self.mixture = mixture or blood()
        self.width_um, self.height_um = width_um, height_um
        self._seed = seed
        self._title = title
        self._grain = Grain(np.random.default_rng([seed, 0]))
        self._drawn = DrawnCells(seed, self._grain)
        self._stock = _stock(self.mixture, self._drawn)
        self.digest = self._digest(lay)
        laid = lay(seed, self._grain, width_um, height_um, self.mixture, self._stock)
        self.zones, self.patches, self.cells = laid.zones, laid.patches, laid.cells
        self._small = population.small(
            np.random.default_rng([seed, 3]), self.zones, width_um, height_um, self.mixture, self.cells,
            {"platelet": self._drawn.variants_drawn},
        )  # fmt: skip
        self._cell_places = Places(self.cells.x_um, self.cells.y_um)
        self._small_places = Places(self._small.x_um, self._small.y_um)
        self._red_bank = red_cells.bank(np.random.default_rng([seed, 4]))
        dirt = np.random.default_rng([seed, 5])
        self._dirt = {"precipitate": litter.precipitates(dirt), "dust": litter.specks(dirt)}
        self._tiles: OrderedDict[tuple[int, int], RedCells] = OrderedDict()
        self._stamps: OrderedDict[tuple[object, ...], Light] = OrderedDict()
        self._red_stamps: OrderedDict[float, list[Light]] = OrderedDict()
        self._views: OrderedDict[tuple[object, ...], Light] = OrderedDict()
        self._afar: Afar | None = None

    def light(self, x_um: float, y_um: float, width_px: int, height_px: int, um_per_px: float) -> Light:
        """Return the share of the lamp's light that passes: see `Slide`. The array may be read-only."""
        with self._one_at_a_time:
            return self._light(x_um, y_um, width_px, height_px, um_per_px)

    def _light(self, x_um: float, y_um: float, width_px: int, height_px: int, um_per_px: float) -> Light:
        if um_per_px > COARSEST_DRAWN_UM_PER_PX:
            if self._afar is None:
                self._afar = Afar(self)
            return self._afar.light(x_um, y_um, width_px, height_px, um_per_px)
        column, row = math.floor(x_um / um_per_px + ON_RASTER_PX), math.floor(y_um / um_per_px + ON_RASTER_PX)
        off_x, off_y = x_um / um_per_px - column, y_um / um_per_px - row
        whole = self._view(column, row, width_px + 1, height_px + 1, um_per_px)
        if max(off_x, off_y) < ON_RASTER_PX:
            return whole[:height_px, :width_px]
        across, down = np.array([1 - off_x, off_x], np.float32), np.array([1 - off_y, off_y], np.float32)
        shifted = cv2.sepFilter2D(whole, -1, across, down, anchor=(0, 0))
        return np.asarray(shifted[:height_px, :width_px], dtype=np.float32)

    def truth(self, x_um: float, y_um: float, width_um: float, height_um: float) -> list[TrueCell]:
        """Return everything whose centre lies in this rectangle: cells, then platelets, stain and dust."""
        with self._one_at_a_time:
            found = self._nucleated_truth(x_um, y_um, width_um, height_um)
            return found + self._small_truth(x_um, y_um, width_um, height_um)

    def _nucleated_truth(self, x_um: float, y_um: float, width_um: float, height_um: float) -> list[TrueCell]:
        near = self._cell_places.within(x_um, y_um, width_um, height_um)
        xs, ys = self.cells.x_um[near], self.cells.y_um[near]
        edge, countable = self.zones.at_edge(xs, ys), self.zones.countable(xs, ys)
        found = []
        for k, at_edge, counts in zip(near.tolist(), edge.tolist(), countable.tolist(), strict=True):
            label, variant = self.cells.labels[self.cells.label[k]], int(self.cells.variant[k])
            grown = 1.0 if self._stock.source(label, variant) else float(self.cells.grown[k])
            found.append(
                TrueCell(
                    label, float(self.cells.x_um[k]), float(self.cells.y_um[k]),
                    self._stock.radius_um(label, variant) * grown,
                    at_edge, counts and label not in NOT_COUNTED, self._stock.source(label, variant),
                )
            )  # fmt: skip
        return found

    def _small_truth(self, x_um: float, y_um: float, width_um: float, height_um: float) -> list[TrueCell]:
        near = self._small_places.within(x_um, y_um, width_um, height_um)
        edge = self.zones.at_edge(self._small.x_um[near], self._small.y_um[near])
        return [
            TrueCell(
                "platelet" if SMALL[self._small.kind[k]] == "platelet" else "artefact",
                float(self._small.x_um[k]), float(self._small.y_um[k]), self._small_sprite(k).radius_um,
                at_edge, False,
            )
            for k, at_edge in zip(near.tolist(), edge.tolist(), strict=True)
        ]  # fmt: skip

    # What is seen

    def _view(self, column: int, row: int, width_px: int, height_px: int, um_per_px: float) -> Light:
        """The light over a part of the slide's own raster of pixels of this size."""
        key = (column, row, width_px, height_px, um_per_px)
        if key not in self._views:
            canvas = self._painted(column, row, width_px, height_px, um_per_px)
            canvas.setflags(write=False)
            self._views[key] = canvas
            if len(self._views) > VIEWS_KEPT:
                self._views.popitem(last=False)
        self._views.move_to_end(key)
        return self._views[key]

    def _painted(self, column: int, row: int, width_px: int, height_px: int, um_per_px: float) -> Light:
        left, top = column * um_per_px, row * um_per_px
        width, height = width_px * um_per_px, height_px * um_per_px
        canvas = self.film(left, top, width_px, height_px, um_per_px)
        self._paint_red(canvas, left, top, width, height, um_per_px)
        margin = LARGEST_CELL_UM
        for k in self._cell_places.within(
            left - margin, top - margin, width + 2 * margin, height + 2 * margin
        ).tolist():
            stamp = self._cell_stamp(k, um_per_px)
            put(
                canvas, stamp, (self.cells.x_um[k] - left) / um_per_px, (self.cells.y_um[k] - top) / um_per_px
            )
        margin = 16.0
        for k in self._small_places.within(
            left - margin, top - margin, width + 2 * margin, height + 2 * margin
        ).tolist():
            stamp = self._small_stamp(k, um_per_px)
            put(
                canvas,
                stamp,
                (self._small.x_um[k] - left) / um_per_px,
                (self._small.y_um[k] - top) / um_per_px,
            )
        for patch in self.patches:
            patch.lay_over(canvas, left, top, um_per_px)
        return canvas

    def film(self, left_um: float, top_um: float, width_px: int, height_px: int, um_per_px: float) -> Light:
        """Return the light that passes dried plasma alone: the ground that everything else is stamped on."""
        first_x, first_y = round(left_um / um_per_px), round(top_um / um_per_px)
        columns = np.arange(first_x // FILM_PX, (first_x + width_px) // FILM_PX + 3) - 1
        rows = np.arange(first_y // FILM_PX, (first_y + height_px) // FILM_PX + 3) - 1
        x, y = np.meshgrid(columns, rows)
        pitch = FILM_PX * um_per_px
        amount = self.zones.at(self.zones.film, (x.ravel() + 0.5) * pitch, (y.ravel() + 0.5) * pitch)
        passed = np.exp(-amount.reshape(*x.shape, 1).astype(np.float32) * densities(PLASMA))
        fine = cv2.resize(
            passed, (len(columns) * FILM_PX, len(rows) * FILM_PX), interpolation=cv2.INTER_LINEAR
        )
        skip_x, skip_y = first_x - int(columns[0]) * FILM_PX, first_y - int(rows[0]) * FILM_PX
        return np.asarray(fine[skip_y : skip_y + height_px, skip_x : skip_x + width_px], dtype=np.float32)

    def nucleated_sprite(self, label: int, variant: int) -> Sprite:
        """Return the picture of a nucleated cell."""
        return self._stock.sprite(self.cells.labels[label], variant)

    def nucleated_within(
        self, left_um: float, top_um: float, width_um: float, height_um: float
    ) -> NDArray[np.intp]:
        """Return which nucleated cells have their centre in a rectangle."""
        return self._cell_places.within(left_um, top_um, width_um, height_um)

    def white_per_mm2(self, share: Map) -> Map:
        """Return how dense nucleated cells lie, given their map."""
        clusters = 1 + 2.5 * self.mixture.clustered
        return share * np.float32(self.mixture.white_per_mm2 * clusters)

    def _paint_red(
        self, canvas: Light, left: float, top: float, width: float, height: float, um_per_px: float
    ) -> None:
        stamps = self.red_stamps(um_per_px)
        reach = STACK_UM + 5.0
        for tile_y in range(
            math.floor((top - reach) / TILE_UM), math.floor((top + height + reach) / TILE_UM) + 1
        ):
            for tile_x in range(
                math.floor((left - reach) / TILE_UM), math.floor((left + width + reach) / TILE_UM) + 1
            ):
                reds = self._red_tile(tile_x, tile_y)
                x, y = (reds.x_um - left) / um_per_px, (reds.y_um - top) / um_per_px
                far = 5.0 / um_per_px
                seen = (x > -far) & (x < canvas.shape[1] + far) & (y > -far) & (y < canvas.shape[0] + far)
                for x_px, y_px, which in zip(
                    x[seen].tolist(), y[seen].tolist(), reds.sprite[seen].tolist(), strict=True
                ):
                    put(canvas, stamps[which], x_px, y_px)

    def red_stamps(self, um_per_px: float) -> list[Light]:
        """Return the bank of red cells at a scale."""
        if um_per_px not in self._red_stamps:
            self._red_stamps[um_per_px] = [sprite.stamp(um_per_px) for sprite in self._red_bank]
            if len(self._red_stamps) > 3:
                self._red_stamps.popitem(last=False)
        self._red_stamps.move_to_end(um_per_px)
        return self._red_stamps[um_per_px]

    def _cell_stamp(self, k: int, um_per_px: float) -> Light:
        key = ("cell", k, um_per_px)
        if key not in self._stamps:
            label, variant = self.cells.labels[self.cells.label[k]], int(self.cells.variant[k])
            turn, flipped, grown = (
                float(self.cells.turn_deg[k]),
                bool(self.cells.flipped[k]),
                float(self.cells.grown[k]),
            )
            if self._stock.source(label, variant):
                turn, grown = 0.0, 1.0  # a photograph is mirrored at most: turning would resample it
            self._keep_stamp(key, self._stock.sprite(label, variant).stamp(um_per_px, turn, grown, flipped))
        self._stamps.move_to_end(key)
        return self._stamps[key]

    def _small_sprite(self, k: int) -> Sprite:
        kind, variant = SMALL[self._small.kind[k]], int(self._small.variant[k])
        return self._drawn.sprite("platelet", variant) if kind == "platelet" else self._dirt[kind][variant]

    def _small_stamp(self, k: int, um_per_px: float) -> Light:
        turn = 15.0 * round(float(self._small.turn_deg[k]) / 15.0)
        key = ("small", int(self._small.kind[k]), int(self._small.variant[k]), turn, um_per_px)
        if key not in self._stamps:
            self._keep_stamp(key, self._small_sprite(k).stamp(um_per_px, turn))
        self._stamps.move_to_end(key)
        return self._stamps[key]

    def _keep_stamp(self, key: tuple[object, ...], stamp: Light) -> None:
        self._stamps[key] = stamp
        if len(self._stamps) > STAMPS_KEPT:
            self._stamps.popitem(last=False)

    # Where red cells lie

    def _red_tile(self, tile_x: int, tile_y: int) -> RedCells:
        key = (tile_x, tile_y)
        if key not in self._tiles:
            self._tiles[key] = self._lay_red(tile_x, tile_y)
            if len(self._tiles) > TILES_KEPT:
                self._tiles.popitem(last=False)
        self._tiles.move_to_end(key)
        return self._tiles[key]

    def _lay_red(self, tile_x: int, tile_y: int) -> RedCells:
        left, top = tile_x * TILE_UM, tile_y * TILE_UM
        if tile_x < 0 or tile_y < 0 or left > self.width_um or top > self.height_um:
            return RedCells(np.zeros(0), np.zeros(0), np.zeros(0, dtype=np.intp))
        rng = np.random.default_rng([self._seed, 6, tile_x, tile_y])
        laid = red_crowd(rng, left, top, TILE_UM, self.zones)
        keep = self.zones.outside_holes(laid.x_um, laid.y_um) & self._clear_of_cells(rng, laid, left, top)
        return RedCells(laid.x_um[keep], laid.y_um[keep], laid.sprite[keep])

    def _clear_of_cells(
        self, rng: np.random.Generator, laid: RedCells, left: float, top: float
    ) -> NDArray[np.bool_]:
        """Which red cells lie clear of nucleated ones: nearly all in the monolayer, fewer where the smear is thick."""
        margin = LARGEST_CELL_UM + STACK_UM
        near = self._cell_places.within(
            left - margin, top - margin, TILE_UM + 2 * margin, TILE_UM + 2 * margin
        )
        clear = np.ones(len(laid.x_um), dtype=np.bool_)
        chance = rng.random(len(laid.x_um))
        crowded = self.zones.at(self.zones.red, laid.x_um, laid.y_um)
        careless = chance < np.interp(crowded, [THICK * 0.7, THICK * 1.5], [0.0, 0.8])
        overlap = np.where(chance < 0.3, 2.6, 3.4)
        for k in near.tolist():
            label, variant = self.cells.labels[self.cells.label[k]], int(self.cells.variant[k])
            radius = self._stock.radius_um(label, variant) + overlap
            clear &= np.hypot(laid.x_um - self.cells.x_um[k], laid.y_um - self.cells.y_um[k]) > radius
        return clear | careless

    def _digest(self, lay: LayingOut) -> str:
        said = repr(
            (DRAWING, self._seed, replace(self.mixture, cells=None, shares=dict(self.mixture.shares)))
        )
        said += repr((self.width_um, self.height_um, lay.__name__)) + (
            self._stock.digest if isinstance(self._stock, RealCells) else ""
        )
        return f"{self._title} {self._seed} {hashlib.sha256(said.encode()).hexdigest()[:12]}"


def _stock(mixture: Mixture, drawn: DrawnCells) -> Stock:
    if mixture.cells is None:
        return drawn
    return RealCells(mixture.cells, mixture.sources, tuple(mixture.shares), drawn)

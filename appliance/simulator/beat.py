"""When a free-running sensor exposes: pure arithmetic of exposures, counted from 0."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Beat:
    """All times are monotonic, ns.

    first_ns: when exposure 0 begins.  period_ns: from one beginning to the next.
    exposure_ns: how long each lasts.  read_out_ns: from its end to its delivery.
    """

    first_ns: int
    period_ns: int
    exposure_ns: int
    read_out_ns: int

    @classmethod
    def of(cls, first_ns: int, exposure_us: int, frames_per_s: float, read_out_us: int, rate: float) -> Beat:
        """Return the beat of a sensor in a world whose time runs `rate` times as fast.

        An exposure overlaps the read-out of the one before.
        """
        exposure_ns, read_out_ns = round(exposure_us * 1000 / rate), round(read_out_us * 1000 / rate)
        period_ns = max(round(1e9 / frames_per_s / rate), exposure_ns, read_out_ns, 1)
        return cls(first_ns, period_ns, exposure_ns, read_out_ns)

    def start_ns(self, number: int) -> int:
        """Return when an exposure begins."""
        return self.first_ns + number * self.period_ns

    def end_ns(self, number: int) -> int:
        """Return when it ends."""
        return self.start_ns(number) + self.exposure_ns

    def delivery_ns(self, number: int) -> int:
        """Return when it can be had."""
        return self.end_ns(number) + self.read_out_ns

    def first_from(self, at_ns: int) -> int:
        """Return the first exposure that begins at a time or later."""
        return max(0, -((self.first_ns - at_ns) // self.period_ns))

    def newest_delivered(self, now_ns: int) -> int:
        """Return the last exposure that can be had already; negative where there is none."""
        return (now_ns - self.first_ns - self.exposure_ns - self.read_out_ns) // self.period_ns

    def next(self, not_before_ns: int, now_ns: int, after: int) -> int:
        """Return the exposure that a driver delivers: it began in time, is no older than the newest, and is new.

        It may well have begun before now. after: the last one that was delivered, or -1.
        """
        return max(self.first_from(not_before_ns), self.newest_delivered(now_ns), after + 1)

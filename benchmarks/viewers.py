"""Do those who watch slow the count? The same count with nobody and with fifty viewers, in turns.

Run: python -m benchmarks.viewers [--viewers 50] [--pairs 7] [--fields 40] [--json FILE]

`hemadiff serve` counts a folder of drawn fields to its end. Viewers are streams of events, read by a process of their
own. Latency: from the instrument's socket telling a change to a viewer having read it, on the same clock.
"""

from __future__ import annotations

import contextlib
import http.client
import itertools
import json
import os
import re
import selectors
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit

import click
from PIL import Image

from appliance.accounts.passes import add_token
from appliance.accounts.secret import new_token, token_digest
from appliance.channel_client import InstrumentClient
from appliance.simulator.still import still_fields
from appliance.store import Store

MOST_RATIO, MOST_LATENCY_MS = 1.05, 500.0
SERVE = [sys.executable, "-c", "from appliance.cli import main; main()", "serve", "--port", "0"]
FIELD = re.compile(rb'"fields":\{"counted":(\d+)')  # which field a change is of


@dataclass(frozen=True, slots=True)
class Counted:
    """One count. seconds: from the start that was asked for to its end.  latencies_ms: of each change and viewer."""

    seconds: float
    latencies_ms: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Verdict:
    """What all pairs say. ratio: the median of the pairs' ratios; ratios: each.  p95_ms: of the latencies."""

    viewers: int
    ratio: float
    ratios: tuple[float, ...]
    median_ms: float
    p95_ms: float
    changes_read: int


@click.command()
@click.option("--viewers", default=50, show_default=True, type=click.IntRange(1, 90))
@click.option("--pairs", default=7, show_default=True, type=click.IntRange(1))
@click.option("--fields", default=40, show_default=True, type=click.IntRange(2), help="How many are counted.")
@click.option("--json", "out", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE")
def main(viewers: int, pairs: int, fields: int, out: Path | None) -> None:
    """Measure what viewers cost a count."""
    with tempfile.TemporaryDirectory() as folder:
        smear = Path(folder) / "smear"
        smear.mkdir()
        for n, field in enumerate(itertools.islice(still_fields(3), fields)):
            Image.fromarray(field.pixels).save(smear / f"{n:03}.png")
        count(Path(folder), smear, 0)  # warms every cache, and does not count
        ratios, latencies = [], list[float]()
        for pair in range(pairs):
            order = (0, viewers) if pair % 2 == 0 else (viewers, 0)
            took = {each: count(Path(folder), smear, each) for each in order}
            ratios.append(took[viewers].seconds / took[0].seconds)
            latencies += took[viewers].latencies_ms
            click.echo(
                f"pair {pair + 1}: {took[0].seconds:.2f} s alone, {took[viewers].seconds:.2f} s watched"
            )
    latencies.sort()
    verdict = Verdict(
        viewers, statistics.median(ratios), tuple(ratios), statistics.median(latencies),
        latencies[int(0.95 * (len(latencies) - 1))], len(latencies),
    )  # fmt: skip
    click.echo(
        f"{viewers} viewers: × {verdict.ratio:.3f} (at most {MOST_RATIO}); a change is read after "
        f"{verdict.median_ms:.0f} ms, 95 % within {verdict.p95_ms:.0f} ms (at most {MOST_LATENCY_MS:.0f})."
    )
    if out is not None:
        out.write_text(json.dumps(asdict(verdict), indent=1), "utf-8")


def count(folder: Path, smear: Path, viewers: int) -> Counted:
    """Count the folder once, in a store of its own."""
    store = Path(tempfile.mkdtemp(dir=folder)) / "s.sqlite"
    word = new_token()
    with Store(store) as opened:
        now = datetime.now(UTC)
        add_token(
            opened, now, by="benchmark", title="viewer", role="viewer", digest=token_digest(word), days=1
        )
    env = {
        **os.environ, "HEMADIFF_STORE__PATH": str(store), "PYTHONUNBUFFERED": "1",
        "HEMADIFF_INSTRUMENT__SOCKET": str(store.with_name("i.sock")),
        "HEMADIFF_CAMERA__SOURCE": f"folder:{smear}", "HEMADIFF_CAMERA__UM_PER_PX": "0.1",
        "HEMADIFF_COUNT__MIN_CELLS": "100000", "HEMADIFF_COUNT__MAX_CELLS": "100000",
    }  # fmt: skip
    with served(env) as address, _watching(address, word, viewers) as seen:
        client = InstrumentClient(store.with_name("i.sock"))
        told: dict[int, float] = {}
        following = client.follow()
        next(following)
        began = time.monotonic()
        client.start()
        for message in following:
            run = message["run"]
            if run is None:
                continue
            told.setdefault(run["fields"]["counted"], time.monotonic())
            if run["ended"]:
                break
        seconds = time.monotonic() - began
        following.close()
        time.sleep(0.5)  # the last change is still on its way
    late = [1000 * (at - told[field]) for (_, field), at in seen.items() if field in told]
    return Counted(seconds, tuple(max(0.0, each) for each in late))


@contextlib.contextmanager
def served(env: Mapping[str, str]) -> Iterator[str]:
    """Serve instrument and page, with these variables of the environment; yield the page's address."""
    with subprocess.Popen(
        SERVE, env=dict(env), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as server:
        try:
            assert server.stdout is not None
            found = re.search(r"http://\S+", server.stdout.readline())
            if found is None:
                raise RuntimeError("The page is not served.")
            yield found.group().rstrip("/")
        finally:
            server.terminate()
            server.wait()


@contextlib.contextmanager
def _watching(address: str, word: str, viewers: int) -> Iterator[dict[tuple[int, int], float]]:
    """Hold so many streams open; yields when which first read of which field."""
    seen: dict[tuple[int, int], float] = {}
    _until_up(address, word)
    streams = [_stream(address, word) for _ in range(viewers)]
    stop = threading.Event()
    reader = threading.Thread(target=_read, args=(streams, seen, stop), daemon=True)
    reader.start()
    try:
        yield seen
    finally:
        stop.set()
        reader.join()
        for each in streams:
            each.close()


def _until_up(address: str, word: str) -> None:
    for _ in range(600):
        connection = http.client.HTTPConnection(urlsplit(address).netloc, timeout=20)
        connection.request("GET", "/api/v1/state", headers={"Authorization": f"Bearer {word}"})
        if json.load(connection.getresponse())["link"]["up"]:
            return
        time.sleep(0.1)
    raise RuntimeError("The instrument does not answer.")


def _stream(address: str, word: str) -> http.client.HTTPConnection:
    connection = http.client.HTTPConnection(urlsplit(address).netloc, timeout=20)
    connection.connect()
    asked = f"GET /api/v1/events HTTP/1.1\r\nHost: {urlsplit(address).netloc}\r\nAuthorization: Bearer {word}\r\n\r\n"
    connection.sock.sendall(asked.encode())
    return connection


def _read(
    streams: list[http.client.HTTPConnection], seen: dict[tuple[int, int], float], stop: threading.Event
) -> None:
    with selectors.DefaultSelector() as selector:
        for each in streams:
            selector.register(each.sock, selectors.EVENT_READ)
        while not stop.is_set():
            for key, _ in selector.select(0.2):
                data = key.fileobj.recv(1 << 16)  # type: ignore[union-attr]
                now = time.monotonic()
                for found in FIELD.finditer(data):
                    seen.setdefault((key.fd, int(found.group(1))), now)
                if not data:
                    selector.unregister(key.fileobj)


if __name__ == "__main__":
    main()

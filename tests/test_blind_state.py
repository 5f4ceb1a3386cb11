"""Who reads a run blind is shown no label of it by the live page either."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from builders_people import a_person, signed_in
from builders_review import RUN, ask, ended
from builders_web import FakeInstrument, a_hub, a_run, cells, counted, settings

from appliance.cause import Cause
from appliance.store import Store
from web.app import create_app
from web.blind import without_labels
from web.readers import Readers

DOUBT = "300 cells counted. Still in doubt: Blast 0.8 % (99 % interval 0.1 to 2.5 %) may be on either side of 2 %."


def test_the_state_and_the_stream_show_labels_to_all_but_the_blind_reader(tmp_path: Path) -> None:
    config = settings(tmp_path)
    with Store(config.store.path) as store:
        ended(store)
        ask(store, "begin_second_reading", by="bert", sample=None)
    fake = FakeInstrument(
        config.socket_path,
        a_run(
            "completed",
            run=RUN,
            latest=cells(1, ["blast"], counted(200)),
            reason=DOUBT,
            aim=500,
            cause=Cause.MOST,
        ),
    )
    hub = a_hub(config)
    hub._heard({**fake._snapshot(), "seq": 1})
    app = create_app(config, hub)
    shown: dict[str, list[Any]] = {}
    streams: dict[str, Iterator[bytes]] = {}
    for name in ("anna", "bert"):
        a_person(config, "reviewer", name)
        client = signed_in(app.test_client(), config, "reviewer", name)
        run = client.get("/api/v1/state").json["run"]
        told = "Blast 0.8" in run["reason"]
        shown[name] = [
            len(run["latest"]),
            len(run["tally"]),
            run["nrbc_per_100"] is None,
            told,
            "withheld" in run,
            (run["aim"], run["cause"]),
        ]
        streams[name] = iter(client.get("/api/v1/events").response)  # type: ignore[arg-type]
    assert shown == {
        "anna": [1, 10, False, True, False, (500, "most cells")],
        "bert": [0, 0, True, False, True, (300, "enough cells")],
    }
    said = {name: [*islice(stream, 2)][1] for name, stream in streams.items()}
    assert b'"label":"blast"' in said["anna"]
    assert not re.search(rb'"label":"|most cells|"aim":500|Blast', said["bert"])
    seen = without_labels(SimpleNamespace(readers=Readers(config.store.path)), "bert")  # type: ignore[arg-type]
    change = seen({"event": "run", "run": {"run": RUN, "ended": True}, "cells": [{"label": "blast"}]})
    assert change["cells"] == []
    fake.dies()

"""Who reads a run blind is shown no label of it by the live page either."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

from builders_people import a_person, signed_in
from builders_review import RUN, ask, ended
from builders_web import FakeInstrument, a_hub, a_run, cells, counted, settings

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
        a_run("completed", run=RUN, latest=cells(1, ["blast"], counted(200)), reason=DOUBT),
    )
    hub = a_hub(config)
    hub._heard({**fake._snapshot(), "seq": 1})
    app = create_app(config, hub)
    shown = {}
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
        ]
    assert shown == {"anna": [1, 10, False, True, False], "bert": [0, 0, True, False, True]}
    seen = without_labels(SimpleNamespace(readers=Readers(config.store.path)), "bert")  # type: ignore[arg-type]
    told = seen({"event": "run", "run": {"run": RUN, "ended": True}, "cells": [{"label": "blast"}]})
    assert told["cells"] == []
    fake.dies()

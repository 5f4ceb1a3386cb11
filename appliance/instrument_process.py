"""The instrument as a process of its own: ``python -m appliance.instrument_process [--config FILE]``.

It serves its socket until SIGTERM or SIGINT, and then pauses what it counts. Exit status: 0 when it was told to
end, 2 where it cannot begin (another instrument has the store), 1 when it failed.
"""

from __future__ import annotations

import argparse
import faulthandler
import logging
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from appliance.channel import ChannelServer
from appliance.configured_plan import plan_from_config
from appliance.counting_scale import planned_scale
from appliance.equipment import LoadAnalyser, network_analysers
from appliance.errors import ApplianceError, ApplianceRefused
from appliance.expected_frames import expected_frames
from appliance.field_source import open_source
from appliance.instrument import Instrument
from appliance.instrument_on_trail import say_ended, say_started
from appliance.marks import marks_of
from appliance.notify import Notifier
from appliance.progress import SERVING, Watch
from appliance.servicing.service import Service
from appliance.store import Store
from appliance.store_place import refuse_missing_folder

if TYPE_CHECKING:
    from appliance.config import Config

log = logging.getLogger(__name__)


@contextmanager
def served_instrument(config: Config, load_analyser: LoadAnalyser | None = None) -> Iterator[Instrument]:
    """Run the instrument of these settings in this process, and serve its socket, until the block is left.

    load_analyser: None loads the bundled networks on the engine of the settings.

    Raises ApplianceRefused where another instrument has the store or the socket, or the store's folder is missing.
    """
    from appliance.config import data_home

    refuse_missing_folder(config.store.path, data_home() / "hemadiff")
    opened = partial(open_source, config=config)
    configured = partial(plan_from_config, config)
    with Instrument(
        config.store.path,
        configured,
        load_analyser or network_analysers(config.engine_settings, partial(expected_frames, config)),
        opened,
        planned=partial(planned_scale, config=config),
        judge=partial(marks_of, config),
        service=Service(config),
    ) as instrument:
        server = ChannelServer(config.socket_path)
        try:
            server.serve(instrument.broadcast, instrument.answer)
            yield instrument
            instrument.close()  # before the socket: followers hear the last change
        finally:
            server.close()


def main(config: Config, load_analyser: LoadAnalyser | None = None) -> None:
    """Serve the instrument until SIGTERM or SIGINT. Call it from the main thread of a process of its own.

    The signals stay blocked and are waited for: a handler could interrupt a thread that holds the very lock it needs.
    """
    signals = {signal.SIGTERM, signal.SIGINT}
    signal.pthread_sigmask(
        signal.SIG_BLOCK, signals
    )  # before any thread begins, so that all of them inherit it
    notifier = Notifier.from_environment()
    with served_instrument(config, load_analyser) as instrument:
        with Watch(notifier, instrument.pulse) as watch:
            instrument.write(partial(_on_trail, say_started))
            notifier.ready("Loading the networks.")
            with watch.loading():
                instrument.prepare()
            notifier.status(SERVING)
            signal.sigwait(signals)
            notifier.stopping("Pausing what is counted.")
        instrument.close(partial(_on_trail, say_ended))


def _on_trail(say: Callable[[Store], None], store: Store) -> None:
    """Put its start or end on record; a full disk keeps nobody from seeing what is on it."""
    try:
        say(store)
    except ApplianceError as error:
        log.warning("the audit trail does not say that the instrument started or ended: %s", error)


def run(arguments: Sequence[str] | None = None) -> int:
    """Run the process; return its exit status."""
    from appliance.config import load_config

    parser = argparse.ArgumentParser(prog="python -m appliance.instrument_process", description=__doc__)
    faulthandler.enable()  # a watchdog ends it with SIGABRT: then the journal has the place of every thread
    parser.add_argument("--config", type=Path, metavar="FILE", help="settings (TOML)")
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s: %(message)s")
    try:
        main(load_config(parser.parse_args(arguments).config))
    except ApplianceRefused as refusal:
        print(refusal, file=sys.stderr)
        return 2
    except ApplianceError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(run())

"""Whoever watches sees what the instrument says, or that it can no longer be heard."""

import threading

import pytest
from builders_web import FakeInstrument, a_hub, a_run, cells, counted, settings, until

from appliance.broadcast import BroadcastClosed
from appliance.errors import ApplianceError
from web.hub import Hub, TooManyViewers


@pytest.fixture
def config(tmp_path):
    return settings(tmp_path)


def following(config, **changes):
    hub = a_hub(config, **changes)
    hub.start()
    return hub


def hears(follower, wanted, tries=50):
    for _ in range(tries):
        message = follower.next(timeout_s=10)
        assert message is not None, "nothing was heard"
        if wanted(message):
            return message
    raise AssertionError("it was never heard")


def is_up(message):
    return message["event"] == "snapshot" and message["link"]["up"]


def test_a_viewer_hears_a_snapshot_and_then_every_change(config):
    fake = FakeInstrument(config.socket_path, a_run(tally=counted(100)))
    hub = following(config)
    with hub.viewer() as viewer:
        first = hears(viewer, is_up)
        assert first["run"]["counted"] == counted(100).counted
        assert first["instrument"]["can_start"]
        for total in (120, 140, 160):
            fake.shows(a_run(tally=counted(total)))
        heard = [viewer.next(timeout_s=10)["run"]["counted"] for _ in range(3)]
        assert heard == [counted(total).counted for total in (120, 140, 160)]
    hub.close()


def test_a_viewer_who_comes_later_sees_the_latest_cells_newest_first(config):
    fake = FakeInstrument(config.socket_path, a_run())
    tally = counted(100)
    hub = following(config)
    with hub.viewer() as watching:
        hears(watching, is_up)
        fake.shows(a_run(tally=tally), cells(1, ["lymphocyte", "monocyte"], tally))
        border = dict(cells(3, ["lymphocyte"], tally)[0], label=None)
        fake.shows(a_run(tally=tally), [border, *cells(4, ["basophil"], tally)])
        hears(watching, lambda message: message["event"] == "run" and len(message["cells"]) == 2)
        hears(watching, lambda message: message["event"] == "run")
    with hub.viewer() as late:
        shown = late.next(timeout_s=10)["run"]["latest"]
    assert [cell["cell"] for cell in shown] == [4, 2, 1]
    hub.close()


def test_the_cells_of_one_run_are_not_shown_under_the_next(config):
    fake = FakeInstrument(config.socket_path, a_run(run="first", latest=cells(1, ["lymphocyte"], counted(9))))
    hub = following(config)
    with hub.viewer() as viewer:
        hears(viewer, is_up)
        fake.shows(a_run(run="second"))
        hears(viewer, lambda message: message["event"] == "run")
    assert hub.snapshot()["run"]["run"] == "second"
    assert hub.snapshot()["run"]["latest"] == []
    hub.close()


def test_a_viewer_who_does_not_read_gets_a_fresh_snapshot_and_holds_up_nobody(config):
    fake = FakeInstrument(config.socket_path, a_run(tally=counted(10)))
    hub = following(config)
    with hub.viewer() as slow, hub.viewer() as brisk:
        hears(slow, is_up)
        hears(brisk, is_up)
        for number in range(200):
            fake.shows(a_run(fields_counted=number))
            hears(brisk, lambda m, n=number: m["run"]["fields"]["counted"] == n)
        missed = slow.next(timeout_s=10)
        assert missed["event"] == "snapshot"
        assert missed["run"]["fields"]["counted"] == 199
    hub.close()


def test_an_instrument_that_dies_is_said_to_be_lost_with_its_last_run_kept(config):
    fake = FakeInstrument(config.socket_path, a_run(tally=counted(100)))
    hub = following(config)
    with hub.viewer() as viewer:
        hears(viewer, is_up)
        fake.dies()
        lost = hears(viewer, lambda m: m["event"] == "snapshot" and not m["link"]["up"])
        assert lost["link"]["why"]
        assert lost["run"]["counted"] == counted(100).counted
        hub.say("The instrument is being started again.")
        assert "started again" in hears(viewer, lambda m: True)["link"]["why"]
        FakeInstrument(config.socket_path, a_run("paused", reason="The power was lost."))
        assert hears(viewer, is_up)["run"]["state"] == "paused"
    hub.close()


def test_what_is_said_of_a_missing_instrument_is_not_said_of_one_that_is_there(config):
    FakeInstrument(config.socket_path)
    hub = following(config)
    with hub.viewer() as viewer:
        hears(viewer, is_up)
    hub.say("The instrument failed.")
    assert hub.snapshot()["link"]["up"]
    assert hub.snapshot()["link"]["why"] is None
    hub.close()


def test_an_instrument_that_hangs_is_lost_although_its_socket_is_open(config):
    FakeInstrument(config.socket_path, a_run())
    hangs = threading.Event()

    def probe():
        if hangs.is_set():
            raise ApplianceError("The instrument did not answer within 10 s.")

    hub = Hub(a_hub(config)._follow, probe, probe_every_s=0.01)
    hub.start()
    with hub.viewer() as viewer:
        hears(viewer, is_up)
        hangs.set()
        assert hears(viewer, lambda m: m["event"] == "snapshot" and not m["link"]["up"])["link"]["why"]
    hub.close()


def test_words_that_are_not_understood_never_leave_old_numbers_looking_live(config):
    fake = FakeInstrument(config.socket_path, a_run())
    hub = following(config)
    with hub.viewer() as viewer:
        hears(viewer, is_up)
        fake.broadcast.publish({"event": "run", "what": "is this"}, fake._snapshot())
        lost = hears(viewer, lambda m: m["event"] == "snapshot" and not m["link"]["up"])
        assert "does not understand" in lost["link"]["why"]
        hears(viewer, is_up)
    hub.close()


def test_a_seat_is_free_again_when_its_viewer_leaves(config):
    hub = Hub(a_hub(config)._follow, most_viewers=2)
    with hub.viewer():
        with hub.viewer(), pytest.raises(TooManyViewers, match="2 viewers"), hub.viewer():
            pass
        with hub.viewer():
            pass


def test_closing_the_hub_ends_every_stream(config):
    FakeInstrument(config.socket_path)
    hub = following(config)
    with hub.viewer() as viewer:
        hears(viewer, is_up)
        hub.close()
        with pytest.raises(BroadcastClosed):
            hears(viewer, lambda m: False)
    until(lambda: not any(t.is_alive() for t in hub._threads), "the hub's threads end")

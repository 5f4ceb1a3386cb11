"""The fields of a run as OME-TIFF: what other programs read of them."""

import io

import numpy as np
import pytest
import tifffile
from builders_people import signed_in
from builders_qc import RUN, a_qc_run
from builders_web import FakeInstrument, a_hub, a_run, settings
from PIL import Image

from appliance.errors import ApplianceRefused
from appliance.field_pictures import FieldPictures
from appliance.ome import pixel_size_um
from appliance.reports.ome_tiff import write_ome_tiff
from appliance.store import Store
from web.app import create_app
from web.hub import Hub


@pytest.fixture
def store(tmp_path):
    a_qc_run(tmp_path / "s.sqlite")
    with Store.read_only(tmp_path / "s.sqlite") as store:
        yield store


def test_every_field_is_there_as_it_was_kept_with_its_pixel_size(store, tmp_path):
    run = store.run(RUN)
    assert write_ome_tiff(store, run, tmp_path / "f.ome.tiff") == 3
    kept = np.asarray(Image.open(io.BytesIO(FieldPictures(store).picture(RUN, 1))))
    with tifffile.TiffFile(tmp_path / "f.ome.tiff") as file:
        assert len(file.series) == 3
        assert (file.series[1].asarray() == kept).all()
        frame_px = store.fields(RUN)[1].size_px[0]
        told = pixel_size_um(file.ome_metadata)
    assert told == pytest.approx(run.scale.um_per_px * frame_px / kept.shape[1])


def test_every_field_says_where_on_the_slide_it_lies(store, tmp_path):
    write_ome_tiff(store, store.run(RUN), tmp_path / "f.ome.tiff")
    with tifffile.TiffFile(tmp_path / "f.ome.tiff") as file:
        said = file.ome_metadata
    for field in store.fields(RUN):
        assert f'PositionX="{field.place.x_um}"' in said


def test_a_run_whose_pictures_are_gone_is_refused(store, tmp_path):
    with Store(tmp_path / "s.sqlite") as written:
        FieldPictures(written).forget(RUN)
    with pytest.raises(ApplianceRefused, match="seven days"):
        write_ome_tiff(store, store.run(RUN), tmp_path / "f.ome.tiff")


def test_the_page_gives_it_to_who_may_take_it_and_says_so_on_the_trail(tmp_path):
    config = settings(tmp_path)
    a_qc_run(config.store.path)
    fake = FakeInstrument(config.socket_path, a_run(), store=config.store.path)
    app = create_app(config, Hub(a_hub(config)._follow))
    address = f"/runs/{RUN}/fields.ome.tiff"
    assert signed_in(app.test_client(), config, "viewer").get(address).status_code == 403
    answer = signed_in(app.test_client(), config, "reviewer").get(address)
    assert answer.data[:4] in (b"II*\0", b"MM\0*")
    assert fake.asked[-1][1]["details"] == {"kind": "ome-tiff"}
    fake.dies()

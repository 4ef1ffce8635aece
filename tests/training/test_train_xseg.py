"""XSeg's training as a user runs it: labelled faces of either side, pretraining before, one model of a fixed name."""

import shutil
from dataclasses import replace

import cv2
import numpy as np
import pytest

from dfl.base.errors import UserError
from dfl.base.listing import list_pictures
from dfl.base.pictures import read_picture
from dfl.base.report import Report
from dfl.faceset.aligned_face import read_face, read_metadata, with_metadata
from dfl.faceset.segmentation import Polygon, draw_polygons
from dfl.models.backups import list_backups, restore_backup
from dfl.models.checkpoint import Checkpoint, model_folder, read_checkpoint, write_checkpoint
from dfl.models.engine import start_engine
from dfl.models.options import XSEG_SIZE, XsegOptions
from dfl.training.choose_model import load_or_new
from dfl.training.options import XsegTrainOptions
from dfl.training.train import run
from dfl.training.training_faces import check_faces, faces_to_train_on
from tests.recording_report import RecordingReport
from tests.training.drawn_faces import make_faceset

start_engine("tensorflow")

from dfl.models.open_model import open_xseg  # noqa: E402
from dfl.training.build_training import build_training  # noqa: E402
from dfl.training.training_config import XSEG_OPTIMIZER  # noqa: E402


@pytest.fixture(autouse=True)
def small(monkeypatch):
    for name, value in {"base": 2, "resolution": 64}.items():
        monkeypatch.setitem(XSEG_SIZE, name, value)


@pytest.fixture
def faces(workspace):
    """dst's faces are labelled with the drawn face's oval; src's are not."""
    make_faceset(workspace.aligned("src"), (90, 140, 220), count=3)
    make_faceset(workspace.aligned("dst"), (200, 180, 120), count=4)
    for path in list_pictures(workspace.aligned("dst")):
        metadata = read_metadata(path.read_bytes(), path.name)
        polygon = Polygon(True, metadata.landmarks[[*range(17), *range(26, 16, -1)]])
        path.write_bytes(with_metadata(path.read_bytes(), replace(metadata, polygons=(polygon,))))
    return workspace


def train(workspace, **options):
    heard = RecordingReport()
    run(workspace, XsegTrainOptions(**({"engine": "tensorflow", "seed": 3, "batch_size": 2} | options)), heard)
    return read_checkpoint(model_folder(workspace.model, "XSeg", "XSeg")), "\n".join(heard.lines)


@pytest.mark.slow
def test_it_learns_the_outline_from_one_labelled_side(faces, monkeypatch):
    monkeypatch.setitem(XSEG_OPTIMIZER, "learning_rate", 3e-3)  # a test has no hours
    saved, text = train(faces, target_iter=70, batch_size=4)
    assert "3 src, 4 dst" in text
    assert saved.history.shape == (70, 1)
    assert saved.history[-20:].mean() < 0.8 * saved.history[:20].mean()
    assert "a/XSeg/conv01/conv/weight" in saved.optimizer
    folder = model_folder(faces.model, "XSeg", "XSeg")
    for name in ("preview", "preview_src", "preview_dst"):
        assert read_picture(folder / f"{name}.png").shape[1:] == (3 * 64, 3)
    model = open_xseg(faces.model, None, Report())
    face = read_face(list_pictures(faces.aligned("dst"))[0])
    shown = cv2.resize(face.picture, (64, 64), interpolation=cv2.INTER_AREA).astype(np.float32)[None] / 255
    wanted = draw_polygons((128, 128), face.metadata.polygons)[::2, ::2]
    drawn = model.predict(shown)[0]
    assert drawn[wanted > 0.5].mean() > drawn[wanted < 0.5].mean() + 0.2


@pytest.fixture
def pretrained(faces):
    """A model that was pretrained for nine iterations."""
    weights = {"XSeg/dense1/weight": np.ones((4, 3), np.float32)}
    options = XsegOptions(pretrain=True, face_type="head").model_dump()
    saved = Checkpoint("XSeg", options, 9, weights, {"steps": np.array(9)}, np.ones((9, 1), np.float32), {"seed": 5})
    write_checkpoint(model_folder(faces.model, "XSeg", "XSeg"), saved)
    return faces


def load(workspace, *answers, **options):
    lines = iter(answers)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("builtins.input", lambda prompt: next(lines))
        saved = load_or_new(workspace, "XSeg", XsegTrainOptions(ask=bool(answers), **options), Report())
    assert not list(lines), "not all was asked"
    return saved


def test_pretraining_on_goes_on_and_over_keeps_the_weights_and_counts_anew(pretrained):
    going_on = load(pretrained)
    assert (going_on.iteration, len(going_on.history), going_on.options["pretrain"]) == (9, 9, True)
    over = load(pretrained, pretrain=False)
    assert (over.iteration, len(over.history), over.options["pretrain"]) == (0, 0, False)
    assert np.array_equal(over.weights["XSeg/dense1/weight"], going_on.weights["XSeg/dense1/weight"])
    assert over.optimizer.keys() == going_on.optimizer.keys()
    assert over.state == {"seed": 5}


@pytest.mark.slow
def test_pretraining_takes_faces_of_its_own_and_needs_no_others(faces):
    pretraining = faces.root / "many people"
    shutil.move(faces.aligned("src"), pretraining)
    shutil.rmtree(faces.aligned("dst"))
    options = XsegOptions(pretrain=True, batch_size=2).model_dump()
    check_faces(faces, "XSeg", pretraining)
    found = faces_to_train_on(faces, "XSeg", options, pretraining, Report())
    setup = build_training(Checkpoint("XSeg", options, 0, {}), found, 3)
    try:
        batch, shown = setup.batch_source.next_batch(0), setup.batch_source.preview_batch()
    finally:
        setup.batch_source.close()
    grey = cv2.cvtColor(batch["picture"][0], cv2.COLOR_BGR2GRAY)
    assert np.abs(batch["mask"][0, :, :, 0] - grey).max() < 1e-6
    assert set(shown) == {"picture", "mask"}
    assert set(setup.objective.preview_pages(shown)) == {"preview"}


def test_pretraining_without_faces_says_where_they_go(faces):
    with pytest.raises(UserError, match="pretraining_faces") as caught:
        faces_to_train_on(faces, "XSeg", {"pretrain": True}, None, Report())
    assert "--pretraining-faces" in caught.value.todo


def test_batches_are_the_same_wherever_training_goes_on(faces):
    options = XsegOptions(batch_size=2).model_dump()
    found = faces_to_train_on(faces, "XSeg", options, None, Report())
    batch_sources = [build_training(Checkpoint("XSeg", options, start, {}), found, 3).batch_source for start in (0, 2)]
    try:
        first = [batch_sources[0].next_batch(number) for number in range(3)][2]
        again = batch_sources[1].next_batch(2)
        shown = [batch_source.preview_batch() for batch_source in batch_sources]
    finally:
        for batch_source in batch_sources:
            batch_source.close()
    for one, other in ((first, again), shown):
        assert all(np.array_equal(one[name], other[name]) for name in one)
    assert set(shown[0]) == {"picture", "mask", "src", "dst"}


def test_restart_begins_with_fresh_weights(pretrained):
    anew = load(pretrained, restart=True)
    assert (anew.iteration, anew.weights, anew.optimizer) == (0, {}, {})
    assert (anew.options["face_type"], anew.options["pretrain"]) == ("head", True)


def test_the_batch_file_asks_for_restart_and_then_for_everything(pretrained):
    pretrained.pretraining_faces.mkdir()
    # Restart; target, batch size, backups, history, face type, pretraining.
    anew = load(pretrained, "y", "100", "2", "0", "n", "mf", "n")
    assert anew.weights == {}
    assert (anew.options["face_type"], anew.options["pretrain"], anew.options["target_iter"]) == ("mf", False, 100)
    # No restart; options change, face type is not asked.
    changed = load(pretrained, "n", "y", "100", "2", "0", "n", "y")
    assert (changed.iteration, changed.options["face_type"], changed.options["target_iter"]) == (9, "head", 100)


def test_what_is_missing_is_told(workspace):
    with pytest.raises(UserError, match="no faces"):
        train(workspace)
    make_faceset(workspace.aligned("src"), (90, 140, 220), count=2)
    with pytest.raises(UserError, match="no labelled faces"):
        train(workspace)
    with pytest.raises(UserError, match="no other name"):
        train(workspace, name="mine")


@pytest.mark.slow
@pytest.mark.parametrize(
    "how", [{"pretrain": False}, {"restart": True, "pretrain": False}], ids=["pretraining", "restart"]
)
def test_the_end_of_pretraining_and_a_restart_keep_the_model_and_its_history(faces, eager, how):
    faces.pretraining_faces.mkdir()
    make_faceset(faces.pretraining_faces, (130, 130, 130))
    before, _ = train(faces, pretrain=True, target_iter=12, write_preview_history=True)
    folder = model_folder(faces.model, "XSeg", "XSeg")
    after, text = train(faces, target_iter=2, seed=4, **how)
    word = "restart" if "restart" in how else "pretraining"
    assert "becomes a backup" in text
    assert (after.iteration, len(after.history)) == (2, 2)
    assert [backup.iteration for backup in list_backups(folder)] == [12]
    assert (folder / f"history-{word}.csv").read_text().count("\n") == 13
    assert (folder / "history.csv").read_text().count("\n") == 3
    assert (folder / f"history-{word}" / "preview" / "0000010.jpg").is_file()
    name = "XSeg/dense1/weight"
    assert (np.abs(after.weights[name] - before.weights[name]).max() < 0.01) == (word == "pretraining")
    assert restore_backup(folder, 1) == 12
    assert np.array_equal(read_checkpoint(folder).weights[name], before.weights[name])

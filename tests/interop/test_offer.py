"""Stages that need a model say so where one of the original's lies unused, and take it over when asked to."""

import pickle

import numpy as np
import pytest

from dfl.base.errors import UserError
from dfl.base.report import Report
from dfl.faceset_tools import apply_xseg
from dfl.faceset_tools.options import XsegApplyOptions
from dfl.interop.offer import importable_model, offer_import
from dfl.merging import merge
from dfl.merging.options import MergeOptions
from dfl.models.checkpoint import Checkpoint, list_models, model_folder, write_checkpoint
from dfl.models.kinds import SWAP_CLASSES
from dfl.models.open_model import open_xseg


def put(folder, prefix, options):
    (folder / f"{prefix}_data.dat").write_bytes(pickle.dumps({"iter": 7, "options": options}, 4))
    for part in ("encoder", "inter", "decoder_src", "decoder_dst", "256"):
        (folder / f"{prefix}_{part}.npy").write_bytes(pickle.dumps({"x:0": np.zeros(3, np.float32)}, 4))


def save(models, name, class_name):
    write_checkpoint(
        model_folder(models, name, class_name), Checkpoint(class_name, {}, 3, {"w": np.zeros(4, np.float32)})
    )


@pytest.fixture
def originals(workspace):
    put(workspace.model, "new_SAEHD", {"archi": "df-ud"})
    put(workspace.model, "XSeg", {"face_type": "wf"})
    return workspace


def test_merging_names_the_command(originals):
    for name in (None, "new"):
        with pytest.raises(UserError, match=r"new \(SAEHD\) of the original") as error:
            merge.run(originals, MergeOptions(model=name), Report())
        assert f'dfl import model "{originals.model}" --name "new" --model SAEHD' in error.value.todo


def test_xseg_names_the_command(originals):
    with pytest.raises(UserError, match=r"XSeg \(XSeg\) of the original") as error:
        open_xseg(originals.model, None, Report())
    assert "dfl import model" in error.value.todo


def test_xseg_apply_takes_it_over_when_asked_to(originals, monkeypatch):
    from tests.training.drawn_faces import make_faceset

    make_faceset(originals.aligned("dst"), (90, 140, 220), count=1)
    monkeypatch.setattr("builtins.input", lambda _: "y")
    with pytest.raises(UserError, match="XSeg/"):  # these weights are no network: it went as far as to open them
        apply_xseg.run(originals, XsegApplyOptions(side="dst", ask=True), Report())
    assert list_models(originals.model) == [("XSeg", "XSeg")]


@pytest.mark.parametrize(("answer", "taken"), [("", ("new", "SAEHD")), ("n", None)])
def test_a_question_takes_it_over_or_leaves_it(originals, monkeypatch, answer, taken):
    monkeypatch.setattr("builtins.input", lambda _: answer)
    assert offer_import(originals, None, SWAP_CLASSES, True, "", Report()) == taken
    assert list_models(originals.model) == ([taken] if taken else [])


def test_with_a_model_of_ours_nothing_is_offered_unless_it_is_named(originals):
    save(originals.model, "ours", "SAEHD")
    assert importable_model(originals.model, None, SWAP_CLASSES) is None
    assert importable_model(originals.model, "new", SWAP_CLASSES) == ("new", "SAEHD")
    save(originals.model, "new", "SAEHD")
    assert importable_model(originals.model, "new", SWAP_CLASSES) is None


def test_files_that_only_look_like_a_model_are_none(workspace):
    for name in ("SAEHD_default_options.dat", "new_Avatar_data.dat", "_SAEHD_data.dat", "notes_data.dat"):
        (workspace.model / name).write_bytes(b"")
    assert importable_model(workspace.model, None, SWAP_CLASSES) is None

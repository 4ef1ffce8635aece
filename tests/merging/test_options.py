"""What the merge asks depends on the model that will be used."""

from pathlib import Path

import numpy as np
import pytest

from dfl.merging.options import MergeOptions
from dfl.models.checkpoint import Checkpoint, model_folder, write_checkpoint
from dfl.workspace import Workspace


def save(workspace: Workspace, name: str, class_name: str) -> Path:
    weights = {"part/weight": np.zeros(3, np.float32)}
    return write_checkpoint(model_folder(workspace.model, name, class_name), Checkpoint(class_name, {}, 1, weights))


@pytest.mark.parametrize(("class_name", "asked"), [("SAEHD", False), ("AMP", True), ("Quick96", False)])
def test_only_an_amp_model_is_asked_how_far_it_morphs(workspace: Workspace, class_name: str, asked: bool) -> None:
    save(workspace, "one", class_name)
    assert ("morph_factor" not in MergeOptions.pointless_questions(workspace.root, {})) == asked


def test_the_model_that_was_named_decides_and_xseg_never_does(workspace: Workspace) -> None:
    video = {"to_video": True}  # else none of encoding is put either
    assert MergeOptions.pointless_questions(workspace.root, video) == {"morph_factor"}
    save(workspace, "amp", "AMP")
    save(workspace, "XSeg", "XSeg")
    assert MergeOptions.pointless_questions(workspace.root, video) == set()
    save(workspace, "plain", "SAEHD")
    assert MergeOptions.pointless_questions(workspace.root, {"model": "amp"} | video) == set()
    assert MergeOptions.pointless_questions(workspace.root, {"model": "plain"} | video) == {"morph_factor"}

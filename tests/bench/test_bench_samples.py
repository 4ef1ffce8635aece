"""The table of what samples cost."""

import json
from importlib import resources

import numpy as np
import pytest

from dfl.base.report import Report
from dfl.bench.samples import bench_samples
from dfl.faces.align import alignment_matrix, transform_points
from dfl.faces.face_type import FaceType
from dfl.faceset.aligned_face import FaceMetadata, write_face
from dfl.imaging.transfers import TRAINING_TRANSFERS


@pytest.mark.slow
def test_the_table_of_samples_has_a_row_for_every_kind(workspace, capsys):
    head = json.loads(resources.files("dfl.faces").joinpath("mean_face.json").read_text(encoding="utf-8"))["model3d"]
    source = np.float32(head)[:, :2] + 200
    matrix = alignment_matrix(source, 96, FaceType.WHOLE)
    metadata = FaceMetadata(FaceType.WHOLE, transform_points(source, matrix), "1.png", np.zeros(4, int), source, matrix)
    picture = np.random.default_rng(1).integers(0, 255, (96, 96, 3), np.uint8)
    write_face(workspace.aligned("dst") / "1.jpg", picture, metadata)
    bench_samples(workspace, 32, 1, Report())
    rows = [line.split("|")[1:-1] for line in capsys.readouterr().out.splitlines() if line.startswith("|")]
    figures = {name.strip(): (float(kept), float(read)) for name, kept, read in rows[2:]}
    assert {name.split(",")[0] for name in figures} == {*TRAINING_TRANSFERS[1:], "plain", "eyes and mouth"}
    assert all(kept > 0 for kept, _ in figures.values())

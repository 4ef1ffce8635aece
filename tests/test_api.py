"""The Python API: its public names, what importing it costs, and the documented examples."""

import logging
import re
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

import dfl
from dfl.base.pictures import write_picture
from dfl.workspace import Workspace
from tests.faceset_fixtures import WriteFaces
from tests.training.drawn_faces import make_faceset

ROOT = Path(__file__).resolve().parents[1]
# A name that is taken away, or renamed, breaks programs of others.
PUBLIC = {
    *("AlignedFace", "FaceMetadata", "FaceType", "Faceset", "LoggingReport", "Prediction", "Report", "Stopped"),
    *("SwapModel", "UserError", "Workspace", "__version__", "extract_faces", "extract_frames", "load_model"),
    *("make_video", "merge", "train"),
}


def test_public_names() -> None:
    assert set(dfl.__all__) == PUBLIC
    assert set(dir(dfl)) >= PUBLIC
    for name in PUBLIC:
        assert getattr(dfl, name).__doc__
    with pytest.raises(AttributeError, match="no attribute 'convert'"):
        dfl.convert  # type: ignore[attr-defined]


def test_every_public_name_is_in_the_documentation() -> None:
    text = (ROOT / "docs" / "python.md").read_text(encoding="utf-8")
    assert not [name for name in PUBLIC - {"__version__", "FaceType", "Prediction", "SwapModel"} if name not in text]


def test_importing_it_loads_nothing() -> None:
    heavy = ("numpy", "cv2", "keras", "tensorflow", "torch", "pydantic", "dfl.api")
    code = f"import sys, dfl; dfl.__version__; sys.exit(', '.join(set({heavy}) & set(sys.modules)) or 0)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_a_faceset_is_a_sequence_of_faces(workspace: Workspace, write_faces: WriteFaces) -> None:
    folder = workspace.aligned("src")
    write_faces(folder, "a.jpg", "b.jpg", "c.jpg")
    faces = dfl.Faceset(folder)
    assert len(faces) == len(list(faces)) == len(faces[:]) == 3
    assert faces[0].picture.shape == faces.files[0].shape
    assert np.array_equal(faces[-1].picture, faces[2].picture)
    assert [face.metadata.source_filename for face in faces[1:]] == [
        file.metadata.source_filename for file in faces.files[1:]
    ]
    with pytest.raises(IndexError):
        faces[3]
    with pytest.raises(dfl.UserError, match="no aligned faces"):
        dfl.Faceset(workspace.aligned("dst"))


def test_a_stage_tells_the_logger_and_takes_the_folder(
    workspace: Workspace, write_faces: WriteFaces, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(dfl.UserError) as caught:
        dfl.merge(workspace.root)
    assert caught.value.todo
    with pytest.raises(dfl.UserError, match="eroode"):
        dfl.merge(workspace.root, eroode=3)
    with pytest.raises(dfl.UserError, match="image_size"):
        dfl.extract_faces(workspace, "src", image_size=1)
    with caplog.at_level(logging.INFO, "dfl"):
        dfl.LoggingReport().warn("100 % sure")
    assert [(record.levelname, record.message) for record in caplog.records] == [("WARNING", "100 % sure")]


@pytest.mark.slow
def test_the_documented_examples_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from dfl.demo.clips import make_clip
    from dfl.demo.portraits import COLLINS, HOPPER

    blocks = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / "python.md").read_text(encoding="utf-8"), re.DOTALL)
    assert len(blocks) == 4
    (tmp_path / "workspace").mkdir()
    make_clip(COLLINS, tmp_path / "workspace" / "data_src.mp4", 0.4, dfl.Report())
    make_clip(HOPPER, tmp_path / "workspace" / "data_dst.mp4", 0.4, dfl.Report())
    small = blocks[0].replace("resolution=128", 'resolution=64, archi="df", ae_dims=32, e_dims=16, d_dims=16')
    program = tmp_path / "program.py"  # workers import the file again, as they would a user's
    for block in (small.replace("target_iter=20000", "target_iter=2"), *blocks[1:]):
        program.write_text(block, encoding="utf-8")
        done = subprocess.run([sys.executable, program], cwd=tmp_path, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
    assert (tmp_path / "workspace" / "result.mp4").stat().st_size > 10000


@pytest.mark.slow
def test_training_runs_in_a_thread_of_a_program(workspace: Workspace) -> None:
    for folder, colour in ((workspace.aligned("src"), (90, 120, 200)), (workspace.aligned("dst"), (200, 150, 90))):
        make_faceset(folder, colour)
    counts = []
    tiny = {"resolution": 64, "archi": "df", "ae_dims": 32, "e_dims": 16, "d_dims": 16, "face_type": "f"}
    thread = threading.Thread(target=lambda: counts.append(dfl.train(workspace, name="t", target_iter=1, **tiny)))
    thread.start()
    thread.join()
    assert counts
    assert dfl.load_model(workspace).iteration == 1


@pytest.mark.slow
def test_a_program_without_a_main_guard_is_told_what_it_lacks(workspace: Workspace, tmp_path: Path) -> None:
    write_picture(workspace.frames("src") / "1.png", np.zeros((64, 64, 3), np.uint8))
    program = tmp_path / "program.py"
    program.write_text(f'import dfl\ndfl.extract_faces({str(workspace.root)!r}, "src")\n', encoding="utf-8")
    done = subprocess.run([sys.executable, program], capture_output=True, text=True, check=False)
    assert done.returncode
    assert '`if __name__ == "__main__":`' in done.stderr.splitlines()[-1]

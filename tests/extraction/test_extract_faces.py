import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from dfl.base.errors import UserError
from dfl.base.listing import list_pictures
from dfl.base.pictures import Picture, read_picture, write_picture
from dfl.base.report import Report
from dfl.demo.portraits import COLLINS
from dfl.extraction.extract_faces import run
from dfl.extraction.options import ExtractFacesOptions
from dfl.faces.face_type import FaceType
from dfl.faceset.aligned_face import read_face
from dfl.faceset.cut_journal import cut_frame
from dfl.faceset.faceset import list_faceset
from dfl.faceset.found_faces import found_frame
from dfl.faceset.frame_journal import read_journal
from dfl.faceset_tools import pack
from dfl.faceset_tools.options import PackOptions
from dfl.video import extract_frames
from dfl.video.options import ExtractFramesOptions
from dfl.workspace import Workspace

FRAMES = 140  # three parts
SMALL = ExtractFacesOptions(side="src", image_size=256, setting="fast", workers=1)
WriteFrames = Callable[[Path, int], None]


def write_clip(path: Path, pictures: list[Picture]) -> None:
    """A clip of the pictures, with a key frame every ten frames."""
    height, width = pictures[0].shape[:2]
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25, options={"g": "10", "crf": "5"})
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        for picture in pictures:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, "bgr24")))
        container.mux(stream.encode())


def _faces(workspace: Workspace) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in list_pictures(workspace.aligned("src"))}


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory, write_frames: WriteFrames) -> dict[str, bytes]:
    """The faces of all frames, made by one worker at one go."""
    workspace = Workspace(tmp_path_factory.mktemp("undisturbed"))
    write_frames(workspace.frames("src"), FRAMES)
    run(workspace, SMALL, Report())
    return _faces(workspace)


@pytest.mark.slow
def test_two_workers_make_the_same_faces_as_one(
    workspace: Workspace,
    undisturbed: dict[str, bytes],
    write_frames: WriteFrames,
    capsys: pytest.CaptureFixture[str],
) -> None:
    write_frames(workspace.frames("src"), FRAMES)
    run(workspace, SMALL.model_copy(update={"workers": 2}), Report())
    assert f"faces: {FRAMES} in {FRAMES} of {FRAMES} frames; 0 frames without a face" in capsys.readouterr().out
    assert list(undisturbed) == [f"{number:05d}_0.jpg" for number in range(1, FRAMES + 1)]
    assert _faces(workspace) == undisturbed


@pytest.mark.slow
@pytest.mark.parametrize("stopped_in", ["finding faces", "cutting faces out"])
def test_a_killed_run_goes_on_and_ends_with_the_same_faces(
    workspace: Workspace, undisturbed: dict[str, bytes], write_frames: WriteFrames, stopped_in: str
) -> None:
    write_frames(workspace.frames("src"), FRAMES)
    command = [sys.executable, "-m", "dfl", "extract-faces", "src", "--workspace", str(workspace.root), "--yes"]
    command += ["--image-size", "256", "--setting", "fast", "--workers", "1", "--progress", "json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout
        for line in process.stdout:
            if (values := json.loads(line))["kind"] == "progress" and values["label"] == stopped_in:
                break
        process.kill()  # SIGKILL; TerminateProcess on Windows
    found = read_journal(workspace.frames("src") / "found_faces.jsonl", found_frame)
    assert found
    cut = read_journal(workspace.aligned("src") / "extraction.jsonl", cut_frame)
    if stopped_in == "finding faces":
        assert 0 < len(found.entries) < FRAMES
        assert cut is None
    else:
        assert cut
        assert 0 < len(cut.entries) < FRAMES
        assert all(f"{Path(frame).stem}_0.jpg" in _faces(workspace) for frame in cut.entries)
    run(workspace, SMALL, Report())
    assert _faces(workspace) == undisturbed
    assert sorted(path.name for path in workspace.aligned("src").iterdir()) == [*undisturbed, "extraction.jsonl"]


@pytest.mark.slow
def test_deleted_faces_stay_deleted_and_new_frames_are_done(
    workspace: Workspace, write_frames: WriteFrames, capsys: pytest.CaptureFixture[str]
) -> None:
    write_frames(workspace.frames("src"), 4)
    (workspace.frames("src") / "00004.png").rename(workspace.root / "later.png")
    run(workspace, SMALL, Report())
    (workspace.aligned("src") / "00002_0.jpg").unlink()
    (workspace.root / "later.png").rename(workspace.frames("src") / "00004.png")
    capsys.readouterr()
    run(workspace, SMALL, Report())
    assert list(_faces(workspace)) == ["00001_0.jpg", "00003_0.jpg", "00004_0.jpg"]
    told = capsys.readouterr().out
    assert "3 of 4 frames are finished" in told
    assert "faces: 4 in 4 of 4 frames" in told


@pytest.mark.slow
def test_frames_that_changed_are_done_again_and_their_old_faces_kept(
    workspace: Workspace, write_frames: WriteFrames, capsys: pytest.CaptureFixture[str]
) -> None:
    frames = workspace.frames("src")
    write_frames(frames, 3)
    run(workspace, SMALL, Report())
    before = _faces(workspace)
    (workspace.aligned("src") / "00001_0.jpg").unlink()
    (workspace.aligned("src") / "00002_0.jpg").rename(workspace.aligned("src") / "00000.jpg")  # sorted
    (frames / "00002.png").write_bytes((frames / "00003.png").read_bytes())
    (frames / "00001.png").write_bytes((frames / "00001.png").read_bytes())  # written again, but the same
    capsys.readouterr()
    run(workspace, SMALL, Report())
    assert "1 frames are done again" in capsys.readouterr().out
    assert list(_faces(workspace)) == ["00002_0.jpg", "00003_0.jpg"]
    assert (workspace.aligned_trash("src") / "00000.jpg").read_bytes() == before["00002_0.jpg"]


@pytest.mark.slow
def test_other_options_make_all_faces_anew_and_keep_the_old_ones(
    workspace: Workspace, write_frames: WriteFrames, capsys: pytest.CaptureFixture[str]
) -> None:
    write_frames(workspace.frames("src"), 2)
    run(workspace, SMALL, Report())
    before = _faces(workspace)
    run(workspace, SMALL.model_copy(update={"face_type": "f"}), Report())
    told = capsys.readouterr().out
    assert "face_type wf -> f" in told
    aside = workspace.frames("src") / "aligned_before_1"
    assert str(aside) in told
    assert {path.name: path.read_bytes() for path in list_pictures(aside)} == before
    assert list(_faces(workspace)) == list(before)
    assert _faces(workspace) != before


def test_faces_of_another_program_are_moved_and_not_lost(
    workspace: Workspace, write_frames: WriteFrames, capsys: pytest.CaptureFixture[str]
) -> None:
    write_frames(workspace.frames("src"), 1)
    (workspace.aligned("src") / "theirs.jpg").write_bytes(b"a face")
    run(workspace, SMALL, Report())
    assert (workspace.frames("src") / "aligned_before_1" / "theirs.jpg").read_bytes() == b"a face"
    assert list(_faces(workspace)) == ["00001_0.jpg"]
    assert "were not made here" in capsys.readouterr().out


@pytest.mark.slow
def test_an_emptied_folder_is_filled_anew(workspace: Workspace, write_frames: WriteFrames) -> None:
    write_frames(workspace.frames("src"), 2)
    run(workspace, SMALL, Report())
    before = _faces(workspace)
    for path in list_pictures(workspace.aligned("src")):
        path.unlink()
    run(workspace, SMALL, Report())
    assert _faces(workspace) == before


@pytest.mark.slow
def test_debug_pictures_asked_for_later_are_made_without_touching_faces(
    workspace: Workspace, write_frames: WriteFrames
) -> None:
    write_frames(workspace.frames("src"), 2)
    run(workspace, SMALL, Report())
    (workspace.aligned("src") / "00001_0.jpg").unlink()
    run(workspace, SMALL.model_copy(update={"debug": True}), Report())
    assert [path.name for path in list_pictures(workspace.aligned_debug("src"))] == ["00001.jpg", "00002.jpg"]
    assert list(_faces(workspace)) == ["00002_0.jpg"]


@pytest.mark.slow
@pytest.mark.parametrize("stem", ["a" * 251, "顔" * 83])
def test_a_frame_whose_name_leaves_no_room_for_its_faces_names_does_not_end_the_stage(
    workspace: Workspace, write_frames: WriteFrames, capsys: pytest.CaptureFixture[str], stem: str
) -> None:
    frames = workspace.frames("src")
    write_frames(frames, 2)
    (frames / "00002.png").rename(frames / f"{stem}.png")
    run(workspace, SMALL, Report())
    assert f"too long for the names of their faces: {stem}.png" in capsys.readouterr().out
    assert list(_faces(workspace)) == ["00001_0.jpg"]


@pytest.mark.slow
def test_broken_frames_and_frames_without_a_face_are_told(
    workspace: Workspace, write_frames: WriteFrames, capsys: pytest.CaptureFixture[str]
) -> None:
    frames = workspace.frames("src")
    write_frames(frames, 3)
    (frames / "00001.png").write_bytes(b"no picture")
    write_picture(frames / "00002.png", read_picture(frames / "00002.png") // 255)
    (frames / "00003.tif").write_bytes(b"same name")
    run(workspace, SMALL, Report())
    told = capsys.readouterr().out
    assert "! Left out, as another picture has the same name with another ending: 00003.tif" in told
    assert "! 00001.png is left out" in told
    assert "1 frames failed and are tried again next time" in told
    listed = frames / "frames_without_face.txt"
    assert str(listed) in told
    assert listed.read_text() == "00002.png\n"


def test_without_frames_the_way_out_is_told(workspace: Workspace) -> None:
    with pytest.raises(UserError) as caught:
        run(workspace, SMALL, Report())
    assert "data_src.mp4" in caught.value.todo
    with pytest.raises(UserError) as caught:
        run(workspace, SMALL.model_copy(update={"source": "frames"}), Report())
    assert "extract-frames src" in caught.value.todo


@pytest.mark.slow
def test_another_face_type_needs_no_new_search(workspace: Workspace, write_frames: WriteFrames) -> None:
    write_frames(workspace.frames("src"), 3)
    run(workspace, SMALL, Report())
    found = workspace.frames("src") / "found_faces.jsonl"
    before = found.read_bytes()
    run(workspace, SMALL.model_copy(update={"face_type": "head"}), Report())
    assert found.read_bytes() == before
    assert read_face(workspace.aligned("src") / "00001_0.jpg").metadata.face_type is FaceType.HEAD


@pytest.mark.slow
def test_faces_come_straight_from_the_clip_as_from_its_frames(
    workspace: Workspace, write_frames: WriteFrames, tmp_path: Path
) -> None:
    write_frames(tmp_path / "pictures", 30)
    pictures = [read_picture(path) for path in list_pictures(tmp_path / "pictures")]
    write_clip(workspace.root / "data_src.mp4", pictures)
    run(workspace, SMALL, Report())
    straight = _faces(workspace)
    assert not list_pictures(workspace.frames("src"))
    extract_frames.run(workspace, ExtractFramesOptions(side="src"), Report())
    shutil.rmtree(workspace.aligned("src"))
    run(workspace, SMALL, Report())
    assert len(straight) == 30
    assert _faces(workspace) == straight


@pytest.mark.slow
@pytest.mark.parametrize(
    ("given", "numbers"),
    [
        ({"first_frame": 3, "last_frame": 5}, [3, 4, 5]),
        ({"every_nth": 4}, [1, 5, 9]),
        ({"first_frame": 9}, [9, 10]),
    ],
)
def test_a_range_of_frames_is_looked_at(
    workspace: Workspace, write_frames: WriteFrames, given: dict[str, int], numbers: list[int]
) -> None:
    write_frames(workspace.frames("src"), 10)
    run(workspace, SMALL.model_copy(update=given), Report())
    assert list(_faces(workspace)) == [f"{number:05d}_0.jpg" for number in numbers]


@pytest.mark.slow
def test_frames_whose_debug_picture_was_deleted_are_done_again(
    workspace: Workspace, write_frames: WriteFrames, capsys: pytest.CaptureFixture[str]
) -> None:
    write_frames(workspace.frames("src"), 3)
    run(workspace, SMALL.model_copy(update={"debug": True}), Report())
    before = _faces(workspace)
    (workspace.aligned_debug("src") / "00002.jpg").unlink()
    again = SMALL.model_copy(update={"redo_deleted_debug": True, "detector": "hog"})
    run(workspace, again, Report())
    assert "1 frames have no picture" in capsys.readouterr().out
    after = _faces(workspace)
    assert {name for name in before if before[name] != after[name]} == {"00002_0.jpg"}
    assert (workspace.aligned_trash("src") / "00002_0.jpg").read_bytes() == before["00002_0.jpg"]
    assert (workspace.aligned_debug("src") / "00002.jpg").is_file()


@pytest.mark.slow
def test_only_the_wanted_person_is_taken(workspace: Workspace, officer: Picture, tmp_path: Path) -> None:
    woman = np.ascontiguousarray(read_picture(COLLINS.portrait)[:300, 80:380])
    frame = np.full((300, 700, 3), 60, np.uint8)
    frame[:, :300] = woman
    frame[:, 320:620] = cv2.resize(officer[20:520, 6:506], (300, 300), interpolation=cv2.INTER_AREA)
    for number in range(3):
        write_picture(workspace.frames("src") / f"{number + 1:05d}.png", frame)
    write_picture(tmp_path / "her.png", woman)
    run(workspace, SMALL.model_copy(update={"only": (tmp_path / "her.png",)}), Report())
    faces = [read_face(path) for path in list_pictures(workspace.aligned("src"))]
    assert len(faces) == 3
    assert all(face.metadata.source_landmarks[30][0] < 300 for face in faces)


@pytest.mark.slow
def test_png_faces_have_their_data_beside_them(workspace: Workspace, write_frames: WriteFrames) -> None:
    write_frames(workspace.frames("src"), 3)
    run(workspace, SMALL.model_copy(update={"format": "png", "workers": 2}), Report())
    faces = list_faceset(workspace.aligned("src"))
    assert [face.name for face in faces] == ["00001_0.png", "00002_0.png", "00003_0.png"]
    assert [face.metadata.source_filename for face in faces] == ["00001.png", "00002.png", "00003.png"]


@pytest.mark.slow
def test_a_packed_faceset_is_not_added_to(workspace: Workspace, write_frames: WriteFrames) -> None:
    write_frames(workspace.frames("src"), 3)
    (workspace.frames("src") / "00003.png").rename(workspace.root / "later.png")
    run(workspace, SMALL, Report())
    pack.run(workspace, PackOptions(side="src"), Report())
    run(workspace, SMALL, Report())  # nothing to be done
    (workspace.root / "later.png").rename(workspace.frames("src") / "00003.png")
    with pytest.raises(UserError) as caught:
        run(workspace, SMALL, Report())
    assert "dfl unpack src" in caught.value.todo

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from dfl.base.errors import UserError
from dfl.base.files import list_pictures
from dfl.base.pictures import read_picture, write_picture
from dfl.base.report import Report
from dfl.extraction.extract_faces import run
from dfl.extraction.journal import read_journal
from dfl.extraction.options import ExtractFacesOptions
from dfl.workspace import Workspace

FRAMES = 70  # three chunks
SMALL = ExtractFacesOptions(side="src", image_size=256, setting="fast", workers=1)
WriteFrames = Callable[[Path, int], None]


def _faces(workspace: Workspace) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in list_pictures(workspace.aligned("src"))}


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory, write_frames: WriteFrames) -> dict[str, bytes]:
    """The faces of all frames, made by one worker at one go."""
    workspace = Workspace(tmp_path_factory.mktemp("undisturbed"))
    write_frames(workspace.frames("src"), FRAMES)
    run(workspace, SMALL, Report())
    return _faces(workspace)


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


def test_a_killed_run_goes_on_and_ends_with_the_same_faces(
    workspace: Workspace, undisturbed: dict[str, bytes], write_frames: WriteFrames
) -> None:
    write_frames(workspace.frames("src"), FRAMES)
    command = [sys.executable, "-m", "dfl", "extract-faces", "src", "--workspace", str(workspace.root), "--yes"]
    command += ["--image-size", "256", "--setting", "fast", "--workers", "1", "--progress", "json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout
        for line in process.stdout:
            if json.loads(line)["kind"] == "progress":
                break
        process.kill()  # SIGKILL; TerminateProcess on Windows
    journal = read_journal(workspace.aligned("src"))
    assert journal
    assert 0 < len(journal.finished) < FRAMES
    assert all(f"{Path(frame).stem}_0.jpg" in _faces(workspace) for frame in journal.finished)
    run(workspace, SMALL, Report())
    assert _faces(workspace) == undisturbed
    assert sorted(path.name for path in workspace.aligned("src").iterdir()) == [*undisturbed, "extraction.jsonl"]


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
    assert "1 frames have changed" in capsys.readouterr().out
    assert list(_faces(workspace)) == ["00002_0.jpg", "00003_0.jpg"]
    assert (frames / "aligned_before_1" / "00000.jpg").read_bytes() == before["00002_0.jpg"]


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


def test_an_emptied_folder_is_filled_anew(workspace: Workspace, write_frames: WriteFrames) -> None:
    write_frames(workspace.frames("src"), 2)
    run(workspace, SMALL, Report())
    before = _faces(workspace)
    for path in list_pictures(workspace.aligned("src")):
        path.unlink()
    run(workspace, SMALL, Report())
    assert _faces(workspace) == before


def test_debug_pictures_asked_for_later_are_made_without_touching_faces(
    workspace: Workspace, write_frames: WriteFrames
) -> None:
    write_frames(workspace.frames("src"), 2)
    run(workspace, SMALL, Report())
    (workspace.aligned("src") / "00001_0.jpg").unlink()
    run(workspace, SMALL.model_copy(update={"debug": True}), Report())
    assert [path.name for path in list_pictures(workspace.aligned_debug("src"))] == ["00001.jpg", "00002.jpg"]
    assert list(_faces(workspace)) == ["00002_0.jpg"]


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
    assert "! Left out, as another picture has the same name but for its ending: 00003.tif" in told
    assert "! 00001.png is left out" in told
    assert "1 frames failed and are tried again next time" in told
    listed = frames / "frames_without_face.txt"
    assert str(listed) in told
    assert listed.read_text() == "00002.png\n"


def test_without_frames_the_way_out_is_told(workspace: Workspace) -> None:
    with pytest.raises(UserError) as caught:
        run(workspace, SMALL, Report())
    assert "extract-frames src" in caught.value.todo

"""What the system refuses: every stage of the table tells it in words, names the file and the way out."""

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import imageio_ffmpeg
import numpy as np
import pytest

from dfl import cli
from dfl.base.pictures import write_picture
from dfl.models.checkpoint import Checkpoint, model_folder, write_checkpoint
from dfl.stages import STAGES, Stage
from dfl.workspace import Workspace
from tests.faceset.made_faces import FRAME, write_faces

# What a stage needs beside its side to get as far as writing something.
WORDS = {
    "extract-faces": ["--workers", "1", "--detector", "hog"],
    "people": ["--workers", "1"],
    "sort": ["--by", "hue", "--workers", "1"],
    "train": ["--preview", "none"],
    "xseg-train": ["--preview", "none"],
    "models": ["rename", "--name", "new", "--new-name", "other"],
    "merge": ["--workers", "1"],
    "trash": ["00001_0.jpg"],
    "resize": ["--size", "256"],
    "cut-video": ["CLIP", "--to-time", "0.2"],
    "verify": ["CLIP"],
    "import": ["model", "nowhere"],
    "demo": ["--minutes", "0.02", "--seconds", "1"],
}
WALKED = [row for row in STAGES if row.name not in ("bench", "doctor", "weights")]  # they need no workspace


@pytest.fixture(scope="module")
def stocked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace with a clip, frames, faces, merged frames, a model and things that were put aside."""
    workspace = Workspace(tmp_path_factory.mktemp("stocked") / "work")
    workspace.create()
    clip = ["-f", "lavfi", "-i", "testsrc2=size=96x64:rate=5:duration=0.6", "-pix_fmt", "yuv420p"]
    ffmpeg = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", *clip, str(workspace.root / "data_dst.mp4")]
    subprocess.run(ffmpeg, check=True)
    for number in (1, 2, 3):
        for folder in (workspace.frames("dst"), workspace.merged, workspace.merged_mask):
            folder.mkdir(exist_ok=True)
            write_picture(folder / f"{number:05d}.png", np.ascontiguousarray(FRAME[:120, :160]))
    write_faces(workspace.aligned("dst"), 3)
    write_faces(workspace.aligned("src"), 3)
    write_checkpoint(
        model_folder(workspace.model, "new", "SAEHD"), Checkpoint("SAEHD", {}, 1, {"w": np.zeros(4, np.float32)})
    )
    return workspace.root


@pytest.fixture
def read_only(stocked: Path, tmp_path: Path) -> Iterator[Path]:
    """The workspace on a disk that can only be read; only root can make one."""
    folder = tmp_path / "read only"
    folder.mkdir()
    mounts = (["mount", "--bind", str(stocked), str(folder)], ["mount", "-o", "remount,ro,bind", str(folder)])
    if not shutil.which("mount") or any(
        subprocess.run(mount, capture_output=True, check=False).returncode for mount in mounts
    ):
        subprocess.run(["umount", str(folder)], capture_output=True, check=False)
        pytest.skip("no right to mount a disk that can only be read")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def _run(row: Stage, root: Path, capsys: Any) -> tuple[int, str]:
    """Exit code and all that a stage says, in this process."""
    side = ["dst"] if row.has_sides else []
    words = [str(root / "data_dst.mp4") if word == "CLIP" else word for word in WORDS.get(row.name, [])]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sys.argv", ["dfl", row.name, *side, *words, "--yes", "--workspace", str(root)])
        with pytest.raises(SystemExit) as caught:
            cli.main()
    shown = capsys.readouterr()
    return int(caught.value.code or 0), shown.out + shown.err


def _is_told(code: int, said: str) -> None:
    assert code in (0, 2), said
    assert "Traceback" not in said
    assert "This is a bug" not in said
    assert "Errno" not in said


@pytest.mark.slow
@pytest.mark.parametrize("row", WALKED, ids=lambda row: row.name)
def test_every_stage_tells_that_a_disk_can_only_be_read(row: Stage, read_only: Path, capsys: Any) -> None:
    code, said = _run(row, read_only, capsys)
    _is_told(code, said)
    if "Read-only" in said:
        assert code == 2
        assert f"Error: {read_only}" in said
        assert "that you may write to" in said


def _file_at(*names: str) -> Callable[[Path], None]:
    def lay(root: Path) -> None:
        for name in names:
            path = root / name
            shutil.rmtree(path, ignore_errors=True)
            path.write_bytes(b"no folder")

    return lay


def _folder_at(*names: str) -> Callable[[Path], None]:
    def lay(root: Path) -> None:
        for name in names:
            path = root / name
            path.unlink(missing_ok=True)
            (path / "inner").mkdir(parents=True)

    return lay


def _link_at(*names: str) -> Callable[[Path], None]:
    def lay(root: Path) -> None:
        for name in names:
            shutil.rmtree(root / name, ignore_errors=True)
            (root / name).symlink_to(root / name if name == "model" else "/nowhere/at all")

    return lay


def _no_workspace(root: Path) -> None:
    shutil.rmtree(root)
    root.write_bytes(b"a clip that was named")


OBSTACLES = {
    "the workspace is a file": _no_workspace,
    "data_dst is a file": _file_at("data_dst"),
    "aligned and merged are files": _file_at("data_dst/aligned", "data_dst/merged"),
    "model and logs are files": _file_at("model", "logs"),
    "what is made is a file": _file_at(
        "data_dst/merged_mask", "data_dst/aligned_trash", "data_dst/aligned_debug_landmarks", "data_dst/aligned_mask",
        "data_dst/aligned_people", "data_dst/frames_denoising", "model_trash", "model/new_SAEHD", "model/XSeg_XSeg",
    ),
    "files are folders": _folder_at(
        "data_dst/found_faces.jsonl", "data_dst/aligned/extraction.jsonl", "data_dst/merged/merge.json",
        "data_dst/merged/merge.journal", "data_dst/merge_session.json", "result.mp4", "inspect.html", "answers.json",
        "model/new_SAEHD/training.lock", "model/XSeg_XSeg/training.lock",
        "data_dst/aligned_trash/trash.jsonl", "data_dst/clip.json", "data_dst/aligned/00002_0.jpg",
        "data_dst/00002.png",
    ),
    "links lead nowhere": _link_at("data_dst/aligned", "data_dst/merged", "model"),
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="links need rights on Windows")
@pytest.mark.parametrize("obstacle", OBSTACLES)
@pytest.mark.parametrize("row", WALKED, ids=lambda row: row.name)
def test_every_stage_names_what_lies_in_the_way(
    row: Stage, obstacle: str, stocked: Path, tmp_path: Path, capsys: Any
) -> None:
    root = tmp_path / "work"
    shutil.copytree(stocked, root)
    OBSTACLES[obstacle](root)
    _is_told(*_run(row, root, capsys))


def test_a_clip_without_its_type_where_the_frames_should_be_is_named(
    stocked: Path, tmp_path: Path, capsys: Any
) -> None:
    root = tmp_path / "work"
    shutil.copytree(stocked, root)
    _file_at("data_dst")(root)
    sort = next(row for row in STAGES if row.name == "sort")
    code, said = _run(sort, root, capsys)
    assert code == 2
    assert f"{root / 'data_dst'} is a file, where a folder should be." in said
    assert "give it its type: data_dst.mp4" in said

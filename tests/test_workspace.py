from pathlib import Path

import pytest

from dfl import workspace as workspace_module
from dfl.base.errors import UserError
from dfl.workspace import Workspace, default_root


def _put(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"x")
    return path


def test_folders_are_made_where_the_original_has_them(workspace: Workspace) -> None:
    made = {path.relative_to(workspace.root).as_posix() for path in workspace.root.rglob("*")}
    assert made == {"data_src", "data_src/aligned", "data_dst", "data_dst/aligned", "model", "logs"}
    workspace.create()  # again, nothing happens
    assert workspace.merged == workspace.root / "data_dst" / "merged"
    assert workspace.merged_mask == workspace.root / "data_dst" / "merged_mask"
    assert workspace.result(".mp4") == workspace.root / "result.mp4"
    assert workspace.result_mask(".mp4") == workspace.root / "result_mask.mp4"


@pytest.mark.parametrize("name", ["data_src.mp4", "data_src.MOV", "DATA_SRC.webm", "data_src.xyz"])
def test_a_clip_of_any_type_is_found(workspace: Workspace, name: str) -> None:
    path = _put(workspace.root / name)
    _put(workspace.root / "data_dst.mp4")
    _put(workspace.root / "data_src.json")
    assert workspace.clip("src") == path


def test_a_missing_clip_says_what_to_put_where(workspace: Workspace) -> None:
    with pytest.raises(UserError) as caught:
        workspace.clip("src")
    assert str(workspace.root) in caught.value.what
    assert "the face that is put in" in caught.value.todo
    assert str(workspace.root / "data_src.mp4") in caught.value.todo
    with pytest.raises(UserError, match="the video it goes into"):
        workspace.clip("dst")


def test_a_workspace_that_is_not_there_says_the_same(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"data_dst\.mp4"):
        Workspace(tmp_path / "gone").clip("dst")


@pytest.mark.parametrize("name", ["holiday.mkv", "data_dst.mkv"])
def test_a_clip_of_another_name_or_in_the_frames_folder_is_pointed_out(workspace: Workspace, name: str) -> None:
    misplaced = _put(workspace.frames("dst") / name)
    with pytest.raises(UserError) as caught:
        workspace.clip("dst")
    assert str(misplaced) in caught.value.todo
    assert str(workspace.root / "data_dst.mkv") in caught.value.todo
    beside = _put(workspace.root / "Another.MP4")
    with pytest.raises(UserError) as caught:
        workspace.clip("dst")
    assert str(beside) in caught.value.todo


def test_the_other_sides_clip_is_not_offered(workspace: Workspace) -> None:
    _put(workspace.root / "data_dst.mp4")
    _put(workspace.root / "result.mp4")
    with pytest.raises(UserError) as caught:
        workspace.clip("src")
    assert "data_dst.mp4" not in caught.value.todo
    assert "result.mp4" not in caught.value.todo
    assert f"as {workspace.root / 'data_src.mp4'}" in caught.value.todo


def test_two_clips_of_a_side_are_named(workspace: Workspace) -> None:
    for suffix in (".mp4", ".mov"):
        _put(workspace.root / f"data_src{suffix}")
    with pytest.raises(UserError) as caught:
        workspace.clip("src")
    assert "data_src.mov, data_src.mp4" in caught.value.what


@pytest.mark.parametrize(
    "suffix", [".srt", ".nfo", ".jpg", ".wav", ".xmp", ".MKV.part", ".en.vtt", ".mp4.json", ".ass"]
)
@pytest.mark.parametrize("clip", ["data_dst.mp4", "data_dst.MTS", "data_dst.xyz"])
def test_subtitles_pictures_and_sound_beside_a_clip_are_no_second_video(
    workspace: Workspace, clip: str, suffix: str
) -> None:
    wanted = _put(workspace.root / clip)
    _put(workspace.root / f"data_dst{suffix}")
    assert workspace.clip("dst") == wanted


def test_a_picture_or_sound_in_the_clips_place_says_where_it_goes(workspace: Workspace) -> None:
    picture = _put(workspace.root / "data_dst.webp")
    with pytest.raises(UserError, match=r"a picture: data_dst\.webp") as caught:
        workspace.clip("dst")
    assert str(workspace.frames("dst")) in caught.value.todo
    picture.unlink()
    _put(workspace.root / "data_dst.wav")
    with pytest.raises(UserError, match=r"data_dst\.wav is sound") as caught:
        workspace.clip("dst")
    assert str(workspace.root / "data_dst.mp4") in caught.value.todo


def test_a_folder_with_a_clips_name_is_no_clip(workspace: Workspace) -> None:
    (workspace.root / "data_src.mp4").mkdir()
    with pytest.raises(UserError, match=r"No data_src video.*data_src\.mp4 is a folder") as caught:
        workspace.clip("src")
    assert "another name" in caught.value.todo


def test_the_workspace_lies_beside_the_batch_files_or_in_the_current_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = tmp_path / "bundle" / "_internal" / "dfl" / "workspace.py"
    monkeypatch.setattr(workspace_module, "__file__", str(module))
    monkeypatch.chdir(tmp_path)
    assert default_root() == tmp_path / "workspace"
    _put(tmp_path / "bundle" / "_internal" / "run.bat")
    assert default_root() == tmp_path / "bundle" / "workspace"

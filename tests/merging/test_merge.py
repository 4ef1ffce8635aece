"""The stage: what lies in the folders afterwards, what is said, and what happens when it is stopped."""

import json
import random
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dfl.base.errors import UserError
from dfl.base.listing import list_pictures
from dfl.base.pictures import read_picture, write_picture
from dfl.base.report import Report
from dfl.merging.merge import run
from dfl.merging.options import MergeOptions
from dfl.merging.running.frame_processor import FrameProcessor
from dfl.video.marking import read_marks
from dfl.workspace import Workspace

Clip = Callable[..., None]
Merged = Callable[..., Any]


def results(workspace: Workspace) -> dict[str, bytes]:
    """All merged pictures and masks by path."""
    pictures = list_pictures(workspace.merged) + list_pictures(workspace.merged_mask)
    return {f"{path.parent.name}/{path.name}": path.read_bytes() for path in pictures}


def facts(workspace: Workspace) -> Any:
    return json.loads((workspace.merged / "merge.json").read_text(encoding="utf-8"))


def test_every_frame_gets_a_picture_and_a_mask(workspace: Workspace, clip: Clip, merged: Merged) -> None:
    clip(5, without_face=(2, 4))
    report = merged()
    stems = [f"{number:05d}" for number in range(1, 6)]
    assert [path.name for path in list_pictures(workspace.merged)] == [f"{stem}.png" for stem in stems]
    assert [path.name for path in list_pictures(workspace.merged_mask)] == [f"{stem}.png" for stem in stems]
    for stem in stems:
        before = read_picture(workspace.frames("dst") / f"{stem}.png")
        after, mask = (read_picture(folder / f"{stem}.png") for folder in (workspace.merged, workspace.merged_mask))
        assert np.array_equal(after[mask == 0], before[mask == 0])
        assert mask.any() == (after != before).any() == (stem not in ("00002", "00004"))
    assert "3 of 5 frames swapped, 2 without a face" in report.lines[-1]
    assert str(workspace.merged / "merge.json") in report.lines[-1]
    assert facts(workspace)["swapped"] == 3
    assert facts(workspace)["without_face"] == ["00002", "00004"]


def test_frames_may_be_jpegs(workspace: Workspace, clip: Clip, merged: Merged) -> None:
    clip(2, without_face=(2,), suffix=".jpg")
    assert merged().counts["swapped"] == 1
    before, after = (
        read_picture(folder / name)
        for folder, name in ((workspace.frames("dst"), "00002.jpg"), (workspace.merged, "00002.png"))
    )
    assert np.array_equal(before, after)


def test_merged_pictures_say_that_they_were_made(workspace: Workspace, clip: Clip, merged: Merged) -> None:
    clip(2, without_face=(2,))
    merged()
    assert all(read_marks(path).source_type for path in list_pictures(workspace.merged))
    report = merged(mark=False)
    assert not any(read_marks(path).source_type for path in list_pictures(workspace.merged))
    assert "not be marked" in report.text


def test_a_second_run_has_nothing_to_do(workspace: Workspace, clip: Clip, merged: Merged, fake_model: Any) -> None:
    clip(4, without_face=(1,))
    merged()
    before = results(workspace)

    class Unused(fake_model):  # type: ignore[misc]
        def predict(self, faces: Any) -> Any:
            raise AssertionError

    report = merged(Unused())
    assert "4 of 4 frames are merged already" in report.text
    assert report.counts["swapped"] == 3
    assert results(workspace) == before


@pytest.mark.parametrize(
    ("change", "said"),
    [({"mode": "seamless"}, "mode overlay → seamless"), ({"erode": 12}, "erode 0 → 12")],
)
def test_other_settings_merge_everything_again(
    workspace: Workspace, clip: Clip, merged: Merged, change: dict[str, Any], said: str
) -> None:
    clip(3)
    merged()
    before = results(workspace)
    report = merged(**change)
    assert said in report.text
    assert all(results(workspace)[name] != content for name, content in before.items() if name.startswith("merged/"))


def test_a_model_that_learned_on_merges_everything_again(clip: Clip, merged: Merged, fake_model: Any) -> None:
    clip(2)
    merged()
    assert "iteration 1000 → 1200" in merged(fake_model(iteration=1200)).text


def test_another_model_of_the_same_name_and_iteration_merges_everything_again(
    clip: Clip, merged: Merged, fake_model: Any
) -> None:
    clip(3)
    merged(fake_model(digest="a" * 64))
    report = merged(fake_model(digest="b" * 64))
    assert "3 frames were made otherwise (another model of the same name): they are merged again." in report.lines
    assert "3 of 3 frames are merged already" in merged(fake_model(digest="b" * 64)).text


def test_a_renamed_model_has_nothing_to_do(clip: Clip, merged: Merged, fake_model: Any) -> None:
    clip(3)
    merged(fake_model(digest="a" * 64))
    assert "3 of 3 frames are merged already" in merged(fake_model(name="other", digest="a" * 64)).text


def test_frames_noted_before_weights_were_known_are_not_merged_again(
    clip: Clip, merged: Merged, fake_model: Any
) -> None:
    clip(3)
    merged(fake_model())
    assert "3 of 3 frames are merged already" in merged(fake_model(digest="a" * 64)).text


def test_another_morph_factor_makes_all_frames_anew(
    workspace: Workspace, clip: Clip, merged: Merged, fake_model: Any
) -> None:
    clip(2)
    assert "morph factor 0.5" in merged(fake_model(settings={"morph_factor": 0.5})).text
    assert facts(workspace)["options"]["morph_factor"] == 0.5
    assert "morph_factor 0.5 → 0.7" in merged(fake_model(settings={"morph_factor": 0.7})).text


def watching(fake_model: Any) -> tuple[Any, list[int]]:
    """A model that counts the faces it is shown."""
    shown: list[int] = []

    class Watching(fake_model):  # type: ignore[misc]
        def predict(self, faces: Any) -> Any:
            shown.append(len(faces))
            return super().predict(faces)

    return Watching(), shown


UNSMOOTHED = {"steady_mask": 0, "steady_landmarks": False}


def test_only_what_is_missing_or_changed_is_done(
    workspace: Workspace, clip: Clip, merged: Merged, face: Callable[..., Path], fake_model: Any
) -> None:
    clip(6)
    merged(**UNSMOOTHED)
    (workspace.merged / "00002.png").unlink()
    (workspace.merged_mask / "00003.png").write_bytes(b"cut off")
    (workspace.aligned("dst") / "00004_0.jpg").unlink()
    face("00004.png", 150, 80, 40)
    model, shown = watching(fake_model)
    merged(model)
    # Without motion blur it does not matter that the neighbours of frame 4 now move otherwise.
    assert sum(shown) == 3
    assert read_picture(workspace.merged_mask / "00003.png").any()


def test_a_changed_face_changes_the_frames_that_are_smoothed_with_it(
    workspace: Workspace, clip: Clip, merged: Merged, face: Callable[..., Path], fake_model: Any
) -> None:
    clip(12)
    merged(steady_mask=2, steady_landmarks=False)
    before = results(workspace)
    (workspace.aligned("dst") / "00006_0.jpg").unlink()
    face("00006.png", 79, 91, 50)
    model, shown = watching(fake_model)
    report = merged(model)
    assert "7 of 12 frames are merged already" in report.text
    # The neighbours' neighbours are looked at, and not written again.
    assert sum(shown) == 9
    after = results(workspace)
    changed = {name[7:12] for name in before if name.startswith("merged/") and before[name] != after[name]}
    assert changed <= {f"{number:05d}" for number in range(4, 9)}
    assert "00006" in changed


def test_no_frame_is_smoothed_over_a_cut(workspace: Workspace, clip: Clip, merged: Merged, fake_model: Any) -> None:
    """The second scene's face lies where the first one's does; its masks are smaller."""
    clip(8)
    lines = ['{"options": {}}']
    for number in range(1, 9):
        lines.append(json.dumps({"frame": f"{number:05d}.png", "facts": [1, 1, 1], "cut": number == 5, "faces": []}))
    (workspace.frames("dst") / "found_faces.jsonl").write_text("\n".join(lines), encoding="utf-8")

    class Shrinking(fake_model):  # type: ignore[misc]
        """The mask is wider by a little in each frame before the cut, and narrow after it."""

        count = 0

        def predict(self, faces: Any) -> Any:
            answer = super().predict(faces)
            for row in range(len(faces)):
                answer.face_mask[row] *= 0.8 if self.count < 4 else 0.75
                self.count += 1
            return answer

    merged(Shrinking(), steady_mask=2, steady_landmarks=False, mask_mode="learned-prd")
    masks = [read_picture(path).max() for path in list_pictures(workspace.merged_mask)]
    # Over the cut the frames beside it would be 5 levels nearer to each other.
    assert np.abs(np.array(masks, int) - ([204] * 4 + [191] * 4)).max() <= 3


@pytest.mark.parametrize("format", ["png", "png16"])
def test_pictures_of_frames_that_are_away_are_kept_for_them(
    workspace: Workspace, clip: Clip, merged: Merged, fake_model: Any, format: str
) -> None:
    clip(3)
    alone = {"steady_mask": 0, "steady_colours": 0, "steady_landmarks": False}  # no frame depends on another
    options = {"output_format": format, "crops": format == "png16", **alone}
    merged(**options)
    folders = [path for path in workspace.frames("dst").iterdir() if path.name.startswith("merged") and path.is_dir()]
    before = {path: path.read_bytes() for folder in folders for path in folder.iterdir() if "0003" in path.name}
    assert len(before) == (4 if format == "png16" else 2)
    frame = workspace.frames("dst") / "00003.png"
    frame.rename(workspace.root / "00003.png")
    assert "The frames of 1 merged pictures are not in data_dst any more" in merged(**options).text
    assert not any(path.exists() for path in before)
    kept = {path.name for path in (workspace.frames("dst") / "merged_set_aside").rglob("*") if path.is_file()}
    assert kept == {path.name for path in before}
    (workspace.root / "00003.png").rename(frame)

    class Unused(fake_model):  # type: ignore[misc]
        def predict(self, faces: Any) -> Any:
            raise AssertionError

    assert "3 of 3 frames are merged already" in merged(Unused(), **options).text
    assert {path: path.read_bytes() for path in before} == before
    assert not (workspace.frames("dst") / "merged_set_aside").exists()


def test_pictures_that_merge_did_not_make_are_left_alone(workspace: Workspace, clip: Clip, merged: Merged) -> None:
    clip(3)
    merged(crops=True)
    crops = workspace.frames("dst") / "merged_crops"
    own = [
        workspace.merged / "00001_retouched.png",
        workspace.merged / "title.png",
        workspace.merged / "notes.exr",
        workspace.merged_mask / "00002 by hand.png",
        crops / "00009_0.png",
        crops / "mine.json",
    ]
    for path in own:
        path.write_bytes(b"mine")
    (workspace.frames("dst") / "00003.png").unlink()
    merged(crops=True)
    merged(crops=True, erode=5)
    assert all(path.read_bytes() == b"mine" for path in own)


def test_merged_pictures_of_another_program_are_set_aside(workspace: Workspace, clip: Clip, merged: Merged) -> None:
    clip(3)
    theirs = {}
    for folder in (workspace.merged, workspace.merged_mask):
        folder.mkdir()
        for name in ("00001.png", "00002.png", "title.png"):
            theirs[folder.name, name] = f"{folder.name}, {name}".encode()
            (folder / name).write_bytes(theirs[folder.name, name])
    report = merged()
    aside = workspace.frames("dst") / "merged_before_1"
    assert f"They are in {aside} now" in report.text
    for (folder, name), content in theirs.items():
        place = workspace.frames("dst") / folder if name == "title.png" else aside / folder
        assert (place / name).read_bytes() == content
    assert report.counts["swapped"] == 3
    assert "somebody" not in merged(erode=5).text


@pytest.mark.parametrize("folder", ["merged", "merged_mask"])
def test_a_merged_picture_that_somebody_retouched_is_set_aside_when_it_is_made_anew(
    workspace: Workspace, clip: Clip, merged: Merged, folder: str
) -> None:
    clip(3)
    merged()
    retouched = workspace.frames("dst") / folder / "00002.png"
    picture = read_picture(retouched)
    picture[:20, :30] = 77
    write_picture(retouched, picture)
    assert "3 of 3 frames are merged already" in merged().text
    assert np.array_equal(read_picture(retouched), picture)
    aside = workspace.frames("dst") / "merged_before_1"
    assert f"They are in {aside} now" in merged(erode=5).text
    assert np.array_equal(read_picture(aside / folder / "00002.png"), picture)
    assert len(list(aside.rglob("*.png"))) == 2
    assert "somebody" not in merged(erode=6).text


def test_what_a_killed_run_wrote_and_did_not_note_is_written_over(
    workspace: Workspace, clip: Clip, merged: Merged
) -> None:
    clip(2)
    merged()
    journal = workspace.merged / "merge.journal"
    journal.write_text("".join(journal.read_text(encoding="utf-8").splitlines(keepends=True)[:-1]), encoding="utf-8")
    assert "somebody" not in merged(erode=5).text
    assert not (workspace.frames("dst") / "merged_before_1").exists()


def test_one_bad_frame_is_named_and_the_rest_is_done(workspace: Workspace, clip: Clip, merged: Merged) -> None:
    clip(5)
    (workspace.frames("dst") / "00003.png").write_bytes(b"no picture")
    report = merged()
    assert "00003.png was not merged" in report.text
    assert report.counts == {"frames": 5, "swapped": 4, "without_face": 0, "failed": 1}
    assert "00003" in facts(workspace)["failed"]
    assert "merged/00004.png" in results(workspace)


def test_several_faces_of_a_frame_are_all_swapped(
    workspace: Workspace, clip: Clip, merged: Merged, face: Callable[..., Path]
) -> None:
    clip(2)
    face("00001.png", 180, 90, 50)
    report = merged()
    assert "more than one face: 00001" in report.text
    mask = read_picture(workspace.merged_mask / "00001.png")
    assert mask[90, 63].all()
    assert mask[90, 180].all()


def test_a_crowd_is_more_than_one_batch(workspace: Workspace, clip: Clip, merged: Merged, face: Any) -> None:
    clip(2)
    for index in range(1, 20):
        face("00001.png", 12 * index, 20 + 7 * index, 14, index)
    assert merged().counts["swapped"] == 2
    mask = read_picture(workspace.merged_mask / "00001.png")
    assert all(mask[20 + 7 * index, 12 * index].all() for index in range(1, 20))


def test_raw_predictions_have_the_models_size(workspace: Workspace, clip: Clip, merged: Merged) -> None:
    clip(2, without_face=(2,))
    merged(mode="raw-predict")
    shapes = {read_picture(path).shape for path in list_pictures(workspace.merged)}
    assert shapes == {(64, 64, 3)}
    assert not read_picture(workspace.merged / "00002.png").any()


def test_random_colour_transfer_gives_the_same_pictures_again(workspace: Workspace, clip: Clip, merged: Merged) -> None:
    clip(3)
    merged(colour_transfer="sot-m", workers=3)
    first = results(workspace)
    (workspace.merged / "merge.journal").unlink()
    merged(colour_transfer="sot-m", workers=1)
    assert results(workspace) == first


def test_a_collapsed_model_is_named(clip: Clip, merged: Merged, fake_model: Any) -> None:
    class Collapsed(fake_model):  # type: ignore[misc]
        def predict(self, faces: Any) -> Any:
            return super().predict(faces * np.float32("nan"))

    clip(2)
    with pytest.raises(UserError, match="collapsed"):
        merged(Collapsed())


def test_a_picture_that_cannot_be_written_ends_the_run(workspace: Workspace, clip: Clip, merged: Merged) -> None:
    clip(30)
    # A folder where the file should go cannot be replaced by it.
    (workspace.merged / "00002.png").mkdir(parents=True)
    with pytest.raises(UserError, match=r"00002\.png"):
        merged()


@pytest.mark.slow
def test_frames_behind_many_that_cannot_be_read_are_merged(workspace: Workspace, clip: Clip, merged: Merged) -> None:
    clip(70)
    for path in list_pictures(workspace.frames("dst"))[5:65]:
        path.write_bytes(b"")
    report = merged()
    assert report.counts == {"frames": 70, "swapped": 10, "without_face": 0, "failed": 60}
    assert "merged/00070.png" in results(workspace)


def test_frames_that_can_none_be_read_are_an_error(workspace: Workspace, clip: Clip, merged: Merged) -> None:
    clip(3)
    for path in list_pictures(workspace.frames("dst")):
        path.write_bytes(b"")
    with pytest.raises(UserError, match=r"00001\.png is not a picture"):
        merged()


@pytest.mark.slow
def test_many_failures_in_a_row_that_should_not_be_end_the_run(
    workspace: Workspace, clip: Clip, merged: Merged, monkeypatch: pytest.MonkeyPatch
) -> None:
    clip(70)
    blend = FrameProcessor.blend

    def failing(self: Any, frame: Any, around: Any) -> Any:
        if frame.cropped.task.index > 4:
            raise ValueError("no")
        return blend(self, frame, around)

    monkeypatch.setattr(FrameProcessor, "blend", failing)
    with pytest.raises(ValueError, match="no"):
        merged()
    assert "merged/00005.png" in results(workspace)


@pytest.mark.parametrize(
    ("prepare", "said"),
    [
        (lambda root, clip: None, "no frames"),
        (lambda root, clip: clip(2, without_face=(1, 2)), "no faces"),
        (lambda root, clip: (clip(2), (root / "data_dst" / "00001.jpg").write_bytes(b"x")), "both would become"),
        (lambda root, clip: (clip(1), (root / "data_dst" / "00001.png").rename(root / "data_dst" / "7.png")), "None"),
    ],
)
def test_what_is_missing_is_said_before_the_model_is_opened(
    workspace: Workspace, clip: Clip, prepare: Any, said: str
) -> None:
    prepare(workspace.root, clip)
    with pytest.raises(UserError, match=said):
        run(workspace, MergeOptions(), Report())


@pytest.mark.slow
def test_a_killed_run_goes_on_and_gives_the_same_pictures(workspace: Workspace, clip: Clip, merged: Merged) -> None:
    """Killed after 2, 9, ... frames, with whatever was under way; the last run finishes."""
    clip(40, without_face=(5, 6, 30))
    options = {"colour_transfer": "idt-m", "blur": 15}
    program = [sys.executable, "-m", "tests.merging.conftest", str(workspace.root), json.dumps(options)]
    counter, repository = random.Random(11), Path(__file__).parents[2]
    done = 0
    for _ in range(3):
        with subprocess.Popen(program, cwd=repository, stdout=subprocess.PIPE, text=True, encoding="utf-8") as process:
            assert process.stdout is not None
            for _ in range(counter.randint(1, 10)):
                process.stdout.readline()
            process.kill()
        lines = (workspace.merged / "merge.journal").read_text(encoding="utf-8").splitlines()
        count = sum(line.startswith("[") for line in lines)
        assert count >= done
        done = count
    report = merged(**options)
    assert "frames are merged already" in report.text
    resumed = results(workspace)
    assert len(resumed) == 80
    assert not list(workspace.merged.glob("*.part-*"))
    (workspace.merged / "merge.journal").unlink()
    merged(**options)
    assert results(workspace) == resumed

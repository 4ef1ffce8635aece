"""The questions of 4_merge as a user meets them, in a pseudo-terminal."""

import json
import os
import sys
from pathlib import Path

import numpy as np
import pytest

from dfl.base.pictures import write_picture
from dfl.models.checkpoint import Checkpoint, model_folder, write_checkpoint
from dfl.models.options import AmpOptions, SaehdOptions
from dfl.workspace import Workspace
from tests.base.test_nvidia import MIXED, MIXED_LIST
from tests.faceset.made_faces import FRAME, write_faces
from tests.typing_user import TypingUser, step

pytestmark = [pytest.mark.slow, pytest.mark.skipif(sys.platform == "win32", reason="a terminal of Unix")]


def save(workspace: Workspace, name: str, class_name: str = "SAEHD", iteration: int = 3) -> None:
    """A saved model without networks: opening it is what fails after the questions."""
    options = {"SAEHD": SaehdOptions, "AMP": AmpOptions}[class_name]().model_dump()
    weights = {"part/weight": np.zeros(3, np.float32)}
    folder = model_folder(workspace.model, name, class_name)
    write_checkpoint(folder, Checkpoint(class_name, options, iteration, weights))


@pytest.fixture
def clip(workspace: Workspace) -> Workspace:
    write_faces(workspace.aligned("dst"), 2)
    for number in (1, 2):
        write_picture(workspace.frames("dst") / f"{number:05d}.png", np.ascontiguousarray(FRAME))
    save(workspace, "first")
    return workspace


def answers_of(user: TypingUser, *answers: tuple[str, str]) -> None:
    """Answer these questions, Enter at those between them."""
    for question, answer in answers:
        while question not in user.hear(r"\[[^\n]*\) : "):
            user.type("")
        user.type(answer)


def machine_with_cards(folder: Path) -> dict[str, str]:
    """The environment of a machine whose nvidia-smi tells of two cards."""
    folder.mkdir()
    program = folder / "nvidia-smi"
    for name, text in (("query", MIXED), ("list", MIXED_LIST)):
        (folder / name).write_text(text)
    program.write_text(f'#!/bin/sh\ncase "$1" in -L) cat "{folder}/list";; *) cat "{folder}/query";; esac\n')
    program.chmod(0o755)
    return {"PATH": f"{folder}{os.pathsep}{os.environ['PATH']}"}


def test_one_model_is_not_asked_for_and_xseg_is_needed_for_its_masks(clip: Workspace) -> None:
    with step("4_merge", clip.root) as user:
        answers_of(user, ("Choose mode", "hist"), ("Masked hist", "no"), ("Hist match", "300"))
        user.answer("Hist match", "200")
        assert "Which model" not in user.said
        assert "300 is out of range. Expected a whole number, 0..255." in user.said
        user.answer("Choose mask mode", "xseg-dst")
        user.answer("Choose mask mode", "learned")
        user.answer("Choose mask mode", "dst")
        assert f"There is no XSeg model in {clip.model}" in user.said.replace("\n", " ")
        assert "learned may be learned-prd or " in user.said
        user.answer("Choose erode", "aut")
        user.answer("Choose blur", "-1")
        user.answer("Choose blur", "7")
        assert "-1 is out of range. Expected auto or a whole number, 0..400." in user.said
        answers_of(user, ("super resolution", "5"))
        user.answer("super resolution", "0")
        assert "The original's network FaceEnhancer is not there" in user.said
        user.enter_until("part/weight|is missing")
        assert user.leave() == 2
    kept = json.loads(clip.answers.read_text())["merge"]
    wanted = {"mode": "hist-match", "hist_match_threshold": 200, "mask_mode": "dst", "blur": 7}
    assert kept | wanted == kept
    with step("4_merge", clip.root) as user:
        assert "[hist-match]" in user.hear(r"\) : ")
        user.type("")
        answers_of(user, ("[n] Masked", ""), ("[200] Hist", ""), ("[dst] Choose mask", ""))
        user.enter_until(r"\[7\] Choose blur")
        assert user.stop() == 130


def test_which_model_is_asked_newest_first_and_amp_how_far(clip: Workspace) -> None:
    save(clip, "newest", "AMP", iteration=77)
    with step("4_merge", clip.root) as user:
        heard = user.hear(r"Which model[^\n]*\) : ")
        assert "[0] newest: AMP, whole_face, 224 pixels, iteration 77, " in heard
        assert "[1] first: SAEHD, full_face, 128 pixels, iteration 3, " in heard
        user.type("9")
        user.hear("9 is not in the list. Expected newest or first")
        user.hear(r"\) : ")
        user.type("0")
        user.enter_until("Morph factor")
        assert user.stop() == 130
    with step("4_merge", clip.root) as user:
        user.answer("[newest] Which model", "f")
        user.hear("Taken: first")
        user.enter_until("Model first|part/weight")
        assert "Morph factor" not in user.said
    with step("4_merge", clip.root, "--model", "first") as user:
        assert "Choose mode" in user.hear(r"\) : ")


def test_the_device_is_asked_for_and_remembered(clip: Workspace, tmp_path: Path) -> None:
    cards = machine_with_cards(tmp_path / "cards")
    with step("4_merge", clip.root, environment=cards) as user:
        heard = user.hear(r"\[1\] Device[^\n]*\) : ")
        assert "[0] NVIDIA GeForce RTX 3070, 8 GB, 7.8 GB free\n[1] NVIDIA GeForce RTX 4090, 24 GB, 11.7" in heard
        user.type("3")
        user.hear("3 is not in the list. Expected 0, 1 or cpu")
        user.answer("Device", "c")
        user.enter_until("CPU, [^\n]*no graphics card is")
        assert user.leave() == 2
    with step("4_merge", clip.root, environment=cards) as user:
        user.hear(r"\[cpu\] Device")
    with step("4_merge", clip.root, "--device", "7", environment=cards) as user:
        assert user.leave() == 2
        assert "?:help" not in user.said
        assert "There is no graphics card 7 here." in user.said


@pytest.mark.parametrize("missing", ["frames", "faces", "model"])
def test_what_is_missing_is_told_before_the_first_question(clip: Workspace, missing: str) -> None:
    lost = {"frames": clip.frames("dst").glob("*.png"), "faces": clip.aligned("dst").iterdir()}
    for path in lost.get(missing, clip.model.rglob("manifest.json")):
        path.unlink()
    with step("4_merge", clip.root) as user:
        assert user.leave() == 2
    assert f"There {'is no model' if missing == 'model' else f'are no {missing}'} in" in user.said
    assert "?:help" not in user.said

"""The questions of 3_train as a user meets them, in a pseudo-terminal."""

import json
import sys
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from dfl.models.checkpoint import Checkpoint, model_folder, write_checkpoint
from dfl.models.options import SaehdOptions
from dfl.workspace import Workspace
from tests.training.drawn_faces import make_faceset
from tests.typing_user import TypingUser, step

pytestmark = [pytest.mark.slow, pytest.mark.skipif(sys.platform == "win32", reason="a terminal of Unix")]

# What is typed until the questions about the model's size are over.
SMALL = {
    "Model": "SAEHD",
    "Enter a name": "tiny",
    "Hours between": "0",
    "Batch size": "2",
    "Resolution": "64",
    "Face type": "wf",
    "AE architecture": "df-ud",
    "AutoEncoder": "16",
    "Encoder dimensions": "8",
    "Decoder dimensions": "8",
}
OPTIONS = {
    "autobackup_hour": 0,
    "batch_size": 2,
    "resolution": 64,
    "face_type": "wf",
    "archi": "df-ud",
    "ae_dims": 16,
    "e_dims": 8,
    "d_dims": 8,
}


@pytest.fixture
def faces(workspace: Workspace) -> Workspace:
    make_faceset(workspace.aligned("src"), (90, 140, 220))
    make_faceset(workspace.aligned("dst"), (200, 180, 120))
    return workspace


def save(
    workspace: Workspace, name: str = "new", class_name: str = "SAEHD", iteration: int = 3, **options: Any
) -> None:
    """A saved model; not one to train, which no test here does."""
    kept = SaehdOptions(**options).model_dump() if class_name == "SAEHD" else {}
    saved = Checkpoint(class_name, kept, iteration, {"w": np.zeros(4, np.float32)})
    write_checkpoint(model_folder(workspace.model, name, class_name), saved)


@pytest.fixture
def train(faces: Workspace) -> Iterator[TypingUser]:
    with step("3_train", faces.root, "--preview", "none") as user:
        yield user


def type_in(user: TypingUser, answers: dict[str, str]) -> None:
    """Answer these questions, Enter at those between them."""
    for question, answer in answers.items():
        while question not in (asked := user.hear(r"\[[^\n]*\) : ")):
            user.type("")
        assert asked
        user.type(answer)


def test_what_cannot_be_is_refused_at_its_question(train: TypingUser) -> None:
    type_in(train, {"Model": "SAEHDX", "Model ": "SAEHD", "Enter a name": "a/b", "new": "tiny"})
    type_in(train, {"Batch size": "auto", "Batch size ": "513", "Batch size (": "2"})
    assert "auto is no whole number. Expected a whole number, 1..512." in train.said
    assert "513 is out of range. Expected a whole number, 1..512." in train.said
    type_in(train, {"Resolution": "130", "Resolution ": "144"})
    assert "A resolution of 130 does not fit SAEHD: expected a multiple of 16. Use 128 or 144." in train.said
    type_in(train, {"Face type": "head", "Face type ": "wf"})
    assert "narrower than the model's head: whole_face 6" in train.said
    type_in(train, {"[liae-u] AE architecture": "dfx", "AE architecture ": "df-d", "AE architecture (": "df"})
    assert "dfx is no architecture. Expected df or liae" in train.said
    assert "A resolution of 144 does not fit df-d: expected a multiple of 32." in train.said
    type_in(train, {"GAN power": "0.1", "[18] GAN patch size": "640", "GAN patch size ": "16", "GAN dimensions": "8"})
    assert "A GAN patch size of 640 needs a resolution" in train.said
    type_in(train, {"True face": "0.01", "pretraining mode": "y", "pretraining mode ": "n", "How long": "x"})
    assert "Pretraining is on, but there is no" in train.said
    assert train.stop() == 130


def remembered(workspace: Workspace, key: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(workspace.answers.read_text())[key]
    return found


def assert_defaults_are(user: TypingUser, answers: dict[str, str]) -> None:
    """That Enter takes what was answered before, at every question of these."""
    for question, answer in answers.items():
        asked = user.hear(r"\[[^\n]*\) : ")
        while question not in asked:
            user.type("")
            asked = user.hear(r"\[[^\n]*\) : ")
        assert asked.rpartition("\n")[2].startswith(f"[{answer}] "), asked
        user.type("")


def test_answers_are_kept_when_the_work_is_refused_afterwards(faces: Workspace) -> None:
    with step("3_train", faces.root, "--preview", "none", "--engine", "torch", "--devices", "3") as user:
        type_in(user, SMALL | {"Batch size": "3"})
        user.enter_until("With torch, several devices are several processes")
        assert user.leave() == 2
    with step("3_train", faces.root, "--preview", "none") as user:
        assert_defaults_are(user, SMALL | {"Batch size": "3"})
    with step("3_train", faces.root, "--preview", "none") as user:
        user.enter_until("How long")
        assert user.stop() == 130
    assert remembered(faces, "train SAEHD") | OPTIONS | {"batch_size": 3} == remembered(faces, "train SAEHD")


def test_ctrl_c_in_the_middle_keeps_what_was_answered(faces: Workspace) -> None:
    with step("3_train", faces.root, "--preview", "none") as user:
        type_in(user, SMALL)
        user.hear("Decoder mask")
        assert user.stop() == 130
    with step("3_train", faces.root, "--preview", "none") as user:
        assert_defaults_are(user, SMALL)


def test_answers_are_the_defaults_of_the_next_new_model_of_the_class(faces: Workspace) -> None:
    with step("3_train", faces.root, "--preview", "none") as user:
        type_in(user, SMALL)
        user.enter_until("How long")
        assert user.stop() == 130
    save(faces, "tiny")
    with step("3_train", faces.root, "--preview", "none") as user:
        user.hear("goes on in 2 seconds")
        user.press(" ")
        type_in(user, {"Model": "", "Choose a saved model": "another"})
        assert_defaults_are(user, {name: SMALL[name] for name in list(SMALL)[2:]})
    with step("3_train", faces.root, "--preview", "none", "--resolution", "144") as user:
        type_in(user, {"Model": "", "Choose a saved model": "third"})
        assert_defaults_are(user, {"AE architecture": "liae-u"})  # that of the last one does not fit
    with step("3_train", faces.root, "--preview", "none", "--model", "AMP") as user:
        type_in(user, {"Enter a name": "amp"})
        assert_defaults_are(user, {"Batch size": "4"})


def test_the_changes_of_a_saved_model_are_kept_until_it_is_saved_with_them(faces: Workspace) -> None:
    save(faces, resolution=64, face_type="wf")
    with step("3_train", faces.root, "--preview", "none", "--engine", "torch", "--devices", "2") as user:
        user.hear("goes on in 2 seconds")
        user.press(" ")
        type_in(user, {"Model": "", "Choose": "", "Change": "y", "Blur out": "y", "Learning rate": "0.0002"})
        user.enter_until("With torch, several devices")
        assert "Resolution" not in user.said
        assert user.leave() == 2
    with step("3_train", faces.root, "--preview", "none") as user:
        user.hear("goes on in 2 seconds")
        user.press(" ")
        type_in(user, {"Model": "", "Choose": ""})
        assert_defaults_are(user, {"Change": "y", "Blur out": "y", "Learning rate": "0.0002"})


def test_yes_asks_nothing(faces: Workspace) -> None:
    save(faces, resolution=64, face_type="wf")
    with step("3_train", faces.root, "--preview", "none", "--yes", "--engine", "torch", "--devices", "2") as user:
        assert user.leave() == 2
    assert "?:help" not in user.said
    assert "With torch, several devices" in user.said


def test_a_saved_model_goes_on_by_itself_unless_a_key_is_pressed(faces: Workspace) -> None:
    save(faces, "early", face_type="wf")
    save(faces, "late", "Quick96", iteration=1234)
    with step("3_train", faces.root, "--preview", "none", "--engine", "torch", "--devices", "2") as user:
        user.hear(r"late \(Quick96\), iteration 1234, goes on in 2 seconds")
        assert user.leave() == 2  # torch does not do two devices: it went on
        assert "?:help" not in user.said
    with step("3_train", faces.root, "--preview", "none") as user:
        user.hear("goes on in 2 seconds")
        user.press("k")
        heard = user.hear(r"\[Quick96\] Model[^\n]*\) : ")
        assert "[k" not in heard


def test_quick96_asks_nothing_more(faces: Workspace) -> None:
    with step("3_train", faces.root, "--preview", "none", "--engine", "torch", "--devices", "2") as user:
        type_in(user, {"Model": "Q"})
        assert user.leave() == 2
    assert user.said.count("?:help") == 1


def test_without_faces_nothing_is_asked(workspace: Workspace) -> None:
    with step("3_train", workspace.root) as user:
        assert user.leave() == 2
    assert "There are no faces in" in user.said
    assert "?:help" not in user.said


def test_a_class_without_its_faces_is_refused_at_its_question(workspace: Workspace) -> None:
    make_faceset(workspace.aligned("src"), (90, 140, 220))
    with step("3_train", workspace.root) as user:
        type_in(user, {"Model": "SAEHD"})
        user.hear("There are no faces in")
        user.hear(r"Model[^\n]*\) : ")


def test_amp_without_dst_is_trained_on_src_alone(workspace: Workspace) -> None:
    make_faceset(workspace.aligned("src"), (90, 140, 220))
    with step("3_train", workspace.root, "--model", "AMP") as user:
        type_in(user, {"Enter a name": "base", "[] SRC-SRC": "n", "SRC-SRC:": "y", "Face type": "", "AutoEncoder": ""})
        assert "There are no faces in" in user.said
        assert user.stop() == 130


def test_the_faces_of_the_preview_history_are_asked_for_and_must_be_there(train: TypingUser) -> None:
    type_in(train, {"Model": "", "Enter a name": "", "Write preview": "y"})
    train.answer("[] Names of the faces", "00001_0.jpg, 7.jpg")
    train.hear("No face is called 7.jpg.")
    train.answer("Names of the faces", "00001_0.jpg,00004_0.jpg")
    train.hear("Stop at iteration")
    assert train.stop() == 130

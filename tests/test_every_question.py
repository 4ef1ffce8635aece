"""Every question of 3_train and 4_merge, in a pseudo-terminal: wrong words, numbers, `?`, end of input, Ctrl-C."""

import re
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from dfl.base.pictures import write_picture
from dfl.models.checkpoint import Checkpoint, model_folder, write_checkpoint
from dfl.models.options import AmpOptions, SaehdOptions
from dfl.workspace import Workspace
from tests.faceset.made_faces import FRAME, write_faces
from tests.training.drawn_faces import make_faceset
from tests.typing_user import TypingUser, step

pytestmark = [pytest.mark.slow, pytest.mark.skipif(sys.platform == "win32", reason="a terminal of Unix")]

PROMPT = re.compile(r"^\[([^\]\n]*)\] ([^\n]*) \?:help \) : $", re.MULTILINE)
END_OF_INPUT = "\x04"
# What ends the questions: the work has begun, or is refused (the models here have no networks).
WORK = r"Engine: |Error: "


def to_train(workspace: Workspace) -> None:
    """A new SAEHD model, with every question that there may be; training it is refused."""
    make_faceset(workspace.aligned("src"), (90, 140, 220))
    make_faceset(workspace.aligned("dst"), (200, 180, 120))
    workspace.answers.write_text(
        '{"train SAEHD": {"archi": "df-ud", "face_type": "wf", "gan_power": 0.1, "resolution": 64, "batch_size": 1}}'
    )


def to_change(workspace: Workspace) -> None:
    """A saved AMP model; Enter at its list, and y where it is asked whether options change."""
    to_train(workspace)
    saved = Checkpoint("AMP", AmpOptions(gan_power=0.1).model_dump(), 5, {"w": np.zeros(3, np.float32)})
    write_checkpoint(model_folder(workspace.model, "amp", "AMP"), saved)
    workspace.answers.write_text('{"train amp_AMP": {"iteration": 5, "uniform_yaw": true}}')


def to_merge(workspace: Workspace) -> None:
    """A clip and two models."""
    write_faces(workspace.aligned("dst"), 1)
    write_picture(workspace.frames("dst") / "00001.png", np.ascontiguousarray(FRAME))
    for name, kind, options in (("one", "SAEHD", SaehdOptions()), ("two", "AMP", AmpOptions())):
        saved = Checkpoint(kind, options.model_dump(), 5, {"w": np.zeros(3, np.float32)})
        write_checkpoint(model_folder(workspace.model, name, kind), saved)
    workspace.answers.write_text('{"merge": {"mode": "hist-match", "sharpen_mode": "box"}}')


def at_train(workspace: Workspace) -> list[str]:
    return ["3_train", str(workspace.root), "--preview", "none", "--engine", "torch", "--devices", "1"]


STEPS: dict[str, tuple[str, tuple[str, ...], Callable[[Workspace], None], int]] = {
    "train": ("3_train", ("--preview", "none", "--model", "SAEHD"), to_train, 33),
    "change": ("3_train", ("--preview", "none", "--model", "AMP", "--name", "amp"), to_change, 19),
    "merge": ("4_merge", (), to_merge, 18),
}


@pytest.fixture(params=STEPS)
def asked(request: pytest.FixtureRequest, workspace: Workspace) -> tuple[str, tuple[str, ...], Path, int]:
    """A step, its words, the workspace, and at least how many questions it has."""
    name, words, prepare, least = STEPS[request.param]
    prepare(workspace)
    return name, words, workspace.root, least


def next_question(user: TypingUser) -> tuple[str, str] | None:
    """(default, text) of the question that is put now; None when the work begins."""
    heard = user.hear(rf"\) : $|{WORK}")
    found = PROMPT.search(heard)
    return (found[1], found[2]) if found else None


def wrong_answers(question: str) -> tuple[str, ...]:
    """What cannot be an answer."""
    words = ("//", "a/b", "nan", "1e999", "-99999999999")
    if "Enter a name" in question or "enter a name" in question:
        return words[:2]
    return words if question.endswith("..") else (*words, "99999999999")


Asked = tuple[str, tuple[str, ...], Path, int]


def test_wrong_answers_are_refused_and_explained(asked: Asked) -> None:
    name, words, root, least = asked
    count = 0
    with step(name, root, *words) as user:
        while question := next_question(user):
            count += 1
            before = len(user.said)
            user.type("?")
            assert next_question(user) == question
            help = user.said[before:].removeprefix("?\n").partition("\n")[0]
            assert len(help) > 9, f"{question[1]}: no help"
            for wrong in wrong_answers(question[1]):
                before = len(user.said)
                user.type(wrong)
                assert next_question(user) == question, user.said[before:]
                assert user.said[before:].count("\n") >= 2, "no reason"
            user.type("")
    assert count >= least


def test_the_end_of_the_input_takes_every_default(asked: Asked) -> None:
    name, words, root, least = asked
    count = 0
    with step(name, root, *words) as user:
        while next_question(user):
            count += 1
            user.press(END_OF_INPUT)
    assert count >= least


def test_ctrl_c_stops_at_every_question_and_keeps_the_answers(asked: Asked) -> None:
    name, words, root, least = asked
    kept: list[tuple[str, str]] = []
    for number in range(least):
        with step(name, root, *words) as user:
            seen = []
            while len(seen) <= number:
                question = next_question(user)
                assert question, f"{number}: {user.said}"
                seen.append(question)
                if len(seen) <= number:
                    user.type("")
            assert user.stop() == 130
            assert "Stopped. " in user.said
        assert seen[: len(kept)] == kept
        kept = seen

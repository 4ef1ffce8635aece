"""Which device computes, and which is asked for, on machines with the cards that recorded answers tell of."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from dfl.base import nvidia
from dfl.base.errors import UserError
from dfl.models import device as device_module
from dfl.models.device import ask_device, use_device
from dfl.shared_options import devices_here
from tests.base.test_nvidia import MIXED, MIXED_LIST
from tests.recording_report import RecordingReport

SMALL, LARGE = (f"GPU-{digit * 8}-aaaa-bbbb-cccc-00000000000{digit}" for digit in "12")
Machine = Callable[..., None]


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Machine:
    """A machine with these cards, and a process that computes nothing yet."""

    def made(query: str = "", listing: str = "", visible: str | None = None) -> None:
        def run(command: list[str], **_: object) -> subprocess.CompletedProcess[str]:
            return subprocess.CompletedProcess(command, 0, listing if "-L" in command else query)

        monkeypatch.setattr(nvidia.subprocess, "run", run)
        monkeypatch.setattr(device_module, "_chosen", device_module._Chosen())
        for name in ("tensorflow", "torch"):
            monkeypatch.delitem(sys.modules, name, raising=False)
        for name in ("CUDA_VISIBLE_DEVICES", "CUDA_DEVICE_ORDER"):
            monkeypatch.setenv(name, "")  # so that it is put back
            monkeypatch.delenv(name)
        if visible is not None:
            monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)

    return made


@pytest.mark.parametrize(
    ("device", "visible"), [("0", SMALL), ("1", LARGE), ("0,1", f"{SMALL},{LARGE}"), ("1,0", f"{LARGE},{SMALL}")]
)
def test_engines_see_the_chosen_cards_alone(machine: Machine, device: str, visible: str) -> None:
    machine(MIXED, MIXED_LIST)
    use_device(device)
    assert os.environ["CUDA_VISIBLE_DEVICES"] == visible
    use_device(device)  # a stage may choose once more
    use_device("1")
    assert os.environ["CUDA_VISIBLE_DEVICES"] == LARGE, "numbers stay those of the machine"


def test_the_processor_alone(machine: Machine) -> None:
    machine(MIXED, MIXED_LIST)
    use_device("cpu")
    assert os.environ["CUDA_VISIBLE_DEVICES"] == "-1"
    machine()
    use_device("cpu")
    assert "CUDA_VISIBLE_DEVICES" not in os.environ


def test_cards_that_are_hidden_do_not_count(machine: Machine) -> None:
    machine(MIXED, MIXED_LIST, visible="1")
    use_device("0")
    assert os.environ["CUDA_VISIBLE_DEVICES"] == LARGE
    with pytest.raises(UserError, match="no graphics card 1 here"):
        use_device("1")


@pytest.mark.parametrize(("device", "cards"), [("2", MIXED), ("0,2", MIXED), ("x", MIXED), ("0", "")])
def test_a_card_that_is_not_there(machine: Machine, device: str, cards: str) -> None:
    machine(cards, MIXED_LIST)
    there = r"0 \(NVIDIA GeForce RTX 3070\), 1 \(NVIDIA GeForce RTX 4090\)" if cards else "none"
    with pytest.raises(UserError, match=rf"There is no graphics card \w here. Cards: {there}"):
        use_device(device)


def test_a_process_that_computes_stays_on_its_device(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    machine(MIXED, MIXED_LIST)
    monkeypatch.setitem(sys.modules, "torch", os)
    with pytest.raises(UserError, match="not on device 1"):
        use_device("1")


def test_the_devices_of_a_machine(machine: Machine, tmp_path: Path) -> None:
    machine(MIXED, MIXED_LIST)
    assert [(choice.name, choice.text) for choice in devices_here(tmp_path)] == [
        ("0", "NVIDIA GeForce RTX 3070, 8 GB, 7.8 GB free"),
        ("1", "NVIDIA GeForce RTX 4090, 24 GB, 11.7 GB free"),
        ("cpu", f"cpu: the processor, {os.cpu_count()} cores"),
    ]
    machine()
    assert [choice.name for choice in devices_here(tmp_path)] == ["cpu"]


def test_the_device_is_asked_for_where_there_is_a_choice_and_remembered(
    machine: Machine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers, prompts = tmp_path / "answers.json", []
    typed = iter(["", "0", "2", ""])

    def read(prompt: str) -> str:
        prompts.append(prompt)
        return next(typed)

    monkeypatch.setattr("builtins.input", read)

    def asked(device: str | None = None, asks: bool = True) -> str | None:
        return ask_device(answers, "merge", device, asks, RecordingReport())

    machine()
    assert asked() is None
    machine(MIXED, MIXED_LIST)
    assert asked(asks=False) is None
    assert asked("1") == "1"
    assert [asked() for _ in range(4)] == ["1", "0", "cpu", "cpu"]  # the one with most memory; then as answered
    assert [prompt.partition("]")[0] for prompt in prompts] == ["[1", "[1", "[0", "[cpu"]
    assert asked(asks=False) == "cpu"
    machine(MIXED.splitlines()[0])
    answers.write_text('{"merge": {"device": "1"}}')
    assert asked(asks=False) is None, "the card has gone"

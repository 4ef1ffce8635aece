"""Presets by the device's memory."""

import subprocess

import pytest

from dfl.base.errors import UserError
from dfl.models.options import SaehdOptions
from dfl.training.presets import Device, find_device, preset_options

GB = 2**30


@pytest.mark.parametrize("preset", ["quick", "balanced", "quality"])
@pytest.mark.parametrize("memory", [0, 2, 4, 6, 7.6, 11, 12, 16, 24, 48])
def test_every_preset_is_a_model_that_can_be(preset, memory):
    chosen = preset_options(preset, "SAEHD", Device("card", int(memory * GB)))
    assert SaehdOptions(**chosen).resolution == chosen["resolution"]


def test_more_memory_is_never_less_model():
    for preset in ("quick", "balanced", "quality"):
        work = []
        for memory in (2, 4, 6, 8, 11, 16, 24):
            chosen = preset_options(preset, "SAEHD", Device("card", memory * GB))
            work.append(chosen["resolution"] ** 2 * chosen["batch_size"] * chosen["d_dims"])
        assert work == sorted(work), preset


def test_a_card_that_tells_a_little_less_counts_as_what_is_printed_on_it():
    assert preset_options("balanced", "SAEHD", Device("card", int(7.6 * GB)))["resolution"] == 192


def test_other_classes_have_none():
    with pytest.raises(UserError, match="SAEHD only"):
        preset_options("quick", "AMP", Device("card", 8 * GB))


def test_the_card_with_the_most_memory_is_found(monkeypatch):
    told = "8192, NVIDIA GeForce RTX 3070\n24564, NVIDIA GeForce RTX 4090\n[N/A], broken\n"
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: subprocess.CompletedProcess([], 0, told))
    assert find_device() == Device("NVIDIA GeForce RTX 4090", 24564 * 2**20)
    assert str(find_device()) == "NVIDIA GeForce RTX 4090 with 24 GB"


def test_without_a_card_it_is_the_processor(monkeypatch):
    def missing(*_, **__):
        raise FileNotFoundError

    monkeypatch.setattr(subprocess, "run", missing)
    device = find_device()
    assert device.card_bytes == 0
    assert "processors" in str(device)

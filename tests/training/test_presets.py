"""Presets by the device's memory."""

import pytest

from dfl.base.errors import UserError
from dfl.base.nvidia import Card
from dfl.models.engine import Engine
from dfl.models.options import SaehdOptions
from dfl.training import presets
from dfl.training.memory_estimate import available_bytes
from dfl.training.presets import PROCESSOR, Device, find_device, preset_options

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


def engine(card: str = "", memory: tuple[int, int] = (0, 0)) -> Engine:
    return Engine("tensorflow", card or "CPU", bool(card), "", card=card, memory=memory)


def test_it_is_the_card_that_the_engine_computes_on(monkeypatch):
    cards = {"RTX 3070": Card("RTX 3070", "", 8 * GB, 7 * GB), "RTX 4090": Card("RTX 4090", "", 24 * GB, 12 * GB)}
    monkeypatch.setattr(presets, "card_of", cards.get)
    assert find_device(engine("RTX 3070")) == Device("RTX 3070", 8 * GB, 7 * GB), "not the largest"
    assert str(find_device(engine("RTX 4090"))) == "RTX 4090 with 24 GB, 12 GB free"
    assert find_device(engine("MIG", (4 * GB, 5 * GB))) == Device("MIG", 5 * GB, 4 * GB), "the engine knows best"
    assert find_device(engine()) is PROCESSOR


def test_a_card_in_use_gets_the_model_that_its_free_memory_holds():
    def resolution(total: float, free: float) -> int:
        return int(preset_options("quality", "SAEHD", Device("card", int(total * GB), int(free * GB)))["resolution"])

    assert resolution(24, 23.5) == resolution(24, 20) == 320, "the desktop takes a little"
    assert resolution(24, 12) == resolution(12, 12) == 256
    assert available_bytes(Device("card", 24 * GB, 12 * GB)) == 12 * GB
    assert available_bytes(Device("card", 24 * GB)) == 24 * GB

"""Which cards a process may use, from what the driver's program says."""

import os
import subprocess

import pytest

from dfl.base import nvidia
from dfl.base.nvidia import Card, card_of, chosen_cards, read_cards, visible_cards
from dfl.models.engine import nvidia_card

MB = 2**20
# As nvidia-smi answers on a machine with a small card in the first slot and a large one in the second, half of it used.
MIXED = """\
0, GPU-11111111-aaaa-bbbb-cccc-000000000001, 8192, 7936, NVIDIA GeForce RTX 3070
1, GPU-22222222-aaaa-bbbb-cccc-000000000002, 24564, 12000, NVIDIA GeForce RTX 4090
"""
MIXED_LIST = """\
GPU 0: NVIDIA GeForce RTX 3070 (UUID: GPU-11111111-aaaa-bbbb-cccc-000000000001)
GPU 1: NVIDIA GeForce RTX 4090 (UUID: GPU-22222222-aaaa-bbbb-cccc-000000000002)
"""
# A card in parts, beside one that is whole.
SPLIT = """\
0, GPU-33333333-aaaa-bbbb-cccc-000000000003, 40960, [N/A], NVIDIA A100-SXM4-40GB
1, GPU-44444444-aaaa-bbbb-cccc-000000000004, 40960, 40536, NVIDIA A100-SXM4-40GB
"""
SPLIT_LIST = """\
GPU 0: NVIDIA A100-SXM4-40GB (UUID: GPU-33333333-aaaa-bbbb-cccc-000000000003)
  MIG 3g.20gb     Device  0: (UUID: MIG-c7384736-a75d-5afc-978f-d2f1294409fd)
  MIG 1c.1g.5gb   Device  1: (UUID: MIG-a28ad590-3fda-56dd-84fc-0a0b96edc58d)
GPU 1: NVIDIA A100-SXM4-40GB (UUID: GPU-44444444-aaaa-bbbb-cccc-000000000004)
"""
SMALL, LARGE = read_cards(MIXED, MIXED_LIST)
HALF, SLICE, WHOLE = read_cards(SPLIT, SPLIT_LIST)


@pytest.fixture
def driver(monkeypatch):
    """An nvidia-smi that gives these two answers."""

    def answers(query: str, listing: str = "", visible: str | None = None) -> None:
        def run(command, **_):
            text = listing if "-L" in command else query
            return subprocess.CompletedProcess(command, 0, text)

        monkeypatch.setattr(nvidia.subprocess, "run", run)
        monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
        if visible is not None:
            monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)

    return answers


def test_memory_is_read_in_all_and_free():
    assert (LARGE.name, LARGE.total_bytes, LARGE.free_bytes) == ("NVIDIA GeForce RTX 4090", 24564 * MB, 12000 * MB)


def test_a_split_card_is_its_parts():
    assert [card.name for card in (HALF, SLICE, WHOLE)] == [
        "NVIDIA A100-SXM4-40GB MIG 3g.20gb", "NVIDIA A100-SXM4-40GB MIG 1c.1g.5gb", "NVIDIA A100-SXM4-40GB",
    ]  # fmt: skip
    assert 4 * 2**30 < SLICE.total_bytes < 5 * 2**30 < 18 * 2**30 < HALF.total_bytes < 20 * 2**30
    assert WHOLE.free_bytes == 40536 * MB


@pytest.mark.parametrize(
    ("visible", "cards"),
    [
        (None, [SMALL, LARGE]),
        ("", []),
        ("-1", []),
        ("1", [LARGE]),
        ("1,0", [LARGE, SMALL]),
        ("0, 7, 1", [SMALL]),  # what follows a wrong number is not seen
        ("1,1", [LARGE]),
        ("GPU-2222", [LARGE]),
        ("NoDevFiles", []),
    ],
)
def test_cards_that_are_hidden_are_not_there(visible, cards):
    assert chosen_cards([SMALL, LARGE], visible) == cards


@pytest.mark.parametrize(
    ("visible", "cards"),
    [
        (None, [HALF]),  # CUDA shows one part, and then no other card
        ("MIG-a28ad590-3fda-56dd-84fc-0a0b96edc58d", [SLICE]),
        ("GPU-4444", [WHOLE]),
        ("MIG-a28ad590-3fda-56dd-84fc-0a0b96edc58d,GPU-4444", [SLICE]),
    ],
)
def test_of_split_cards_one_part_is_seen(visible, cards):
    assert chosen_cards([HALF, SLICE, WHOLE], visible) == cards


def test_the_engines_card_is_found_by_its_name_whatever_its_number(driver):
    driver(MIXED, MIXED_LIST, "0")  # CUDA's 0 is the fastest, the driver's program counts slots
    assert card_of("NVIDIA GeForce RTX 4090") == LARGE
    assert card_of("NVIDIA GeForce RTX 3070") == SMALL
    assert card_of("Radeon") is None


def test_a_hidden_card_is_no_card(driver):
    driver(MIXED, MIXED_LIST, "1")
    assert nvidia_card() == "NVIDIA GeForce RTX 4090"
    driver(MIXED, MIXED_LIST, "-1")
    assert nvidia_card() == ""
    assert visible_cards() == []


@pytest.mark.parametrize("said", ["", "NVIDIA-SMI has failed because it couldn't communicate", "\n\n"])
def test_a_driver_that_says_nothing_of_use(driver, said):
    driver(said, said)
    assert all(card == Card(card.name) for card in visible_cards())


def test_a_driver_that_tells_the_name_alone(driver):
    driver("NVIDIA GeForce RTX 4090\n", "")
    assert visible_cards() == [Card("NVIDIA GeForce RTX 4090")]


def test_without_a_driver_there_is_no_card(monkeypatch):
    monkeypatch.setenv("PATH", os.devnull)
    assert visible_cards() == []

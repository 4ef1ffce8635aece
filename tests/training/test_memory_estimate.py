"""What training needs is reckoned right, told beforehand, and survived when it is not there."""

import subprocess
import sys
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest

from dfl.base.errors import UserError
from dfl.models.checkpoint import Checkpoint, model_folder, read_checkpoint
from dfl.models.engine import start_engine
from dfl.models.kinds import kind_with
from dfl.models.options import AmpOptions, ModelOptions, Quick96Options, SaehdOptions, XsegOptions
from dfl.training.memory_estimate import (
    MemoryNeed,
    available_bytes,
    estimate_memory,
    fitting_batch,
    is_out_of_memory,
    memory_advice,
    memory_summary,
)
from dfl.training.options import TrainOptions
from dfl.training.presets import Device
from dfl.workspace import Workspace
from tests.recording_report import RecordingReport
from tests.training.drawn_faces import make_faceset
from tests.training.tiny_training import STORED, TinyBatchSource, TinyNetwork, TinyObjective

start_engine("tensorflow")

import keras  # noqa: E402

from dfl.models.open_model import build_network  # noqa: E402
from dfl.nets.size_count import counting  # noqa: E402
from dfl.training.train import run as run_train  # noqa: E402
from dfl.training.trainer import Trainer  # noqa: E402
from dfl.training.training_config import TRAINING  # noqa: E402

MB = 2**20
PROCESSOR = Device("2 processors", 0)
TRAINED: dict[str, Any] = {
    "resolution": 64, "archi": "df-u", "ae_dims": 8, "e_dims": 8, "d_dims": 8, "d_mask_dims": 4, "preview": "none",
    "seed": 3,
}  # fmt: skip
SMALL = {"ae_dims": 8, "e_dims": 4, "d_dims": 4, "d_mask_dims": 2}


@pytest.mark.slow
@pytest.mark.parametrize(
    "options",
    [
        *(
            SaehdOptions(resolution=64, archi=archi, **SMALL)
            for archi in ("df", "df-u", "df-d", "df-t", "df-udtc", "liae", "liae-ud", "liae-udt")
        ),
        SaehdOptions(resolution=64, archi="df-ud", gan_power=0.1, gan_patch_size=8, true_face_power=0.1, **SMALL),
        AmpOptions(resolution=64, inter_dims=16, gan_power=0.1, gan_patch_size=8, **SMALL),
        Quick96Options(),
        XsegOptions(),
    ],
    ids=lambda options: f"{type(options).__name__} {getattr(options, 'archi', '')}",
)
def test_counted_and_built_networks_have_the_same_weights(options: ModelOptions) -> None:
    def objective() -> Any:
        kind = kind_with(options)
        training = TRAINING[kind.name]
        return training.objective(kind.build(options), options, training.config(options), 0)

    with counting() as count:
        objective()
    made = objective()
    networks = [made.network.weights(), *(one.weights for one in made.discriminators)]
    assert count.weights == sum(
        weight.value.shape.num_elements() for weights in networks for weight in weights.values()
    )


def test_counting_takes_no_memory() -> None:
    """A model of 4 GB of weights is counted in a few MB."""
    options = SaehdOptions(resolution=640, archi="df", ae_dims=1024, e_dims=128, d_dims=128, d_mask_dims=44)
    before = psutil.Process().memory_info().rss
    assert estimate_memory(options, PROCESSOR).fixed > 4 * 2**30
    assert psutil.Process().memory_info().rss - before < 100 * MB


def test_outputs_are_counted_once_for_each_face_that_passes() -> None:
    """Two faces pass the encoder, one each decoder; a style term sends one more through src's."""
    plain, styled = (SaehdOptions(resolution=64, archi="df", face_style_power=power, **SMALL) for power in (0.0, 1.0))
    sizes = []
    for options in (plain, styled):
        with counting() as count:
            network = build_network("SAEHD", options.model_dump())
            face = keras.KerasTensor((1, 64, 64, 3))
            network.forward(face, face)
            before = count.outputs
            network.as_src(keras.KerasTensor((1, *(2 * [network.code_shape[1]]), network.code_shape[0])))
        sizes.append((estimate_memory(options, PROCESSOR).each, before, count.outputs))
    (each, once, twice), (with_style, _, _) = sizes
    assert each == pytest.approx(4 * 3.2 * once, rel=1e-6)
    assert with_style == pytest.approx(4 * 3.2 * twice, rel=1e-6)


# (options, MiB that two steps took above an engine that had just started)
MEASURED = [
    ({"resolution": 96, "batch_size": 4}, 1367),
    ({"resolution": 96, "batch_size": 16}, 2033),
    ({"resolution": 128, "batch_size": 8, "d_dims": 32, "e_dims": 32, "ae_dims": 128, "d_mask_dims": 16}, 1005),
    ({"resolution": 128, "archi": "liae-ud", "batch_size": 4, "d_dims": 48, "e_dims": 48, "ae_dims": 128,
      "d_mask_dims": 16}, 1308),
    ({"resolution": 96, "archi": "liae-udt", "batch_size": 8, "d_dims": 32, "e_dims": 32, "ae_dims": 64,
      "d_mask_dims": 16}, 984),
    ({"resolution": 128, "archi": "df", "batch_size": 8, "d_dims": 32, "e_dims": 32, "ae_dims": 64,
      "d_mask_dims": 16}, 1841),
    ({"resolution": 96, "batch_size": 16, "recompute": True}, 1848),
    ({"resolution": 128, "batch_size": 8, "d_dims": 32, "e_dims": 32, "ae_dims": 128, "d_mask_dims": 16,
      "face_style_power": 1, "bg_style_power": 1}, 1213),
]  # fmt: skip


@pytest.mark.parametrize(("given", "seen"), MEASURED, ids=range(len(MEASURED)))
def test_what_was_measured_is_reckoned(given: dict[str, Any], seen: int) -> None:
    options = SaehdOptions(**({"archi": "df-ud"} | given))
    assert estimate_memory(options, PROCESSOR).of(options.batch_size) / MB == pytest.approx(seen, rel=0.2)


@pytest.mark.parametrize(
    ("options", "seen"),
    [(XsegOptions(batch_size=2), 2637), (XsegOptions(batch_size=6), 4623), (Quick96Options(batch_size=4), 1397)],
    ids=["XSeg 2", "XSeg 6", "Quick96 4"],
)
def test_other_classes_are_reckoned_too(options: ModelOptions, seen: int) -> None:
    assert estimate_memory(options, PROCESSOR).of(options.batch_size) / MB == pytest.approx(seen, rel=0.2)


def test_the_largest_batch_fits_and_the_next_one_does_not() -> None:
    needed = MemoryNeed(fixed=1000, each=100)
    assert needed.largest_batch(2000) == 8  # a tenth stays free
    assert needed.of(8) <= 0.9 * 2000 < needed.of(9)
    assert needed.largest_batch(1000) == 0


@pytest.mark.slow
def test_saving_brings_arrays_over_one_by_one(tmp_path: Path) -> None:
    class LargeNetwork(TinyNetwork):
        def __init__(self) -> None:
            zeros = np.zeros((256, 1024), np.float32)
            self._weights = {f"encoder/{number}": keras.Variable(zeros) for number in range(32)}

        def weights(self) -> dict[str, Any]:
            return self._weights

    objective = TinyObjective()
    objective.network = LargeNetwork()
    settings = {"is_adabelief": False, "learning_rate": 1e-2}
    trainer = Trainer(
        tmp_path / "new_SAEHD", Checkpoint("SAEHD", STORED, 0, {}), objective, TinyBatchSource(), settings, seed=1
    )
    trainer.iteration = 1
    tracemalloc.start()
    trainer.save()
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert len(read_checkpoint(tmp_path / "new_SAEHD").weights) == 32
    assert most < 8 * 256 * 1024 * 4, (
        "of 64 such arrays; a machine whose memory training fills is not the place for a second model"
    )


def test_auto_is_within_reason() -> None:
    tiny = SaehdOptions(resolution=32, archi="df-u", **SMALL)
    assert fitting_batch(tiny, PROCESSOR) == 8
    assert fitting_batch(tiny, Device("card", 24 * 2**30)) == 32
    large = SaehdOptions(resolution=320, d_dims=96, e_dims=96)
    assert 1 <= fitting_batch(large, Device("card", 8 * 2**30)) < fitting_batch(large, Device("card", 24 * 2**30)) < 32


def test_the_line_and_the_refusal(monkeypatch: pytest.MonkeyPatch) -> None:
    options = SaehdOptions(resolution=128, batch_size=4)
    assert memory_summary(options, Device("card", 11 * 2**30)).startswith("Needs about 2.")
    assert "11.0 GB are there. Largest batch that fits: " in memory_summary(options, Device("card", 11 * 2**30))
    assert memory_summary(Quick96Options(), Device("card", 80 * 2**30)).endswith("80.0 GB are there."), (
        "nobody wants 2382"
    )
    assert "fits: " in memory_summary(Quick96Options(batch_size=512), Device("card", 20 * 2**30))
    assert "No batch fits." in memory_summary(options, Device("card", 2**30)), "a card says so by itself"
    monkeypatch.setattr(psutil, "virtual_memory", lambda: type("Free", (), {"available": 2**29})())
    with pytest.raises(UserError, match=r"512 MB are there\. No batch fits\.") as error:
        memory_summary(options, PROCESSOR)
    assert "--batch-size 1 or --recompute or a smaller model" in error.value.todo
    assert available_bytes(PROCESSOR) == 2**29


def test_the_way_out_names_what_is_not_done_yet() -> None:
    assert "--batch-size" not in memory_advice(SaehdOptions(batch_size=1), 1)
    assert "--recompute" not in memory_advice(SaehdOptions(recompute=True), 2)


def test_only_want_of_memory_is_taken_for_it() -> None:
    assert is_out_of_memory(MemoryError())
    assert is_out_of_memory(RuntimeError("DefaultCPUAllocator: not enough memory: you tried to allocate 9 bytes"))
    assert not is_out_of_memory(ValueError("shape"))


@pytest.fixture(scope="module")
def full() -> Exception:
    """What TensorFlow says when memory is full; it waits ten seconds for some before."""
    import tensorflow as tf

    with pytest.raises(tf.errors.OpError) as error:
        tf.zeros((2**20, 2**20, 2**6))
    return error.value


@pytest.mark.slow
def test_engines_say_it_in_their_own_way(full: Exception) -> None:
    assert is_out_of_memory(full)


# As much address space as argv says, in MiB, beyond what the process has when its engine has started.
LIMITED = """
import resource, sys
import psutil
from dfl.models.engine import start_engine
start_engine("tensorflow")
import dfl.training.trainer, dfl.training.build_training, dfl.training.loop
limit = psutil.Process().memory_info().vms + int(sys.argv.pop(1)) * 2**20
resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
from dfl.__main__ import main
sys.exit(main())
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="needs a limit on the address space")
def test_what_cannot_fit_is_refused_and_the_saved_set_goes_on_with_less(faces: Workspace) -> None:
    def run(limit: int, *more: str) -> subprocess.CompletedProcess[str]:
        flags = [f"--{name.replace('_', '-')}={value}" for name, value in TRAINED.items()]
        command = [sys.executable, "-c", LIMITED, str(limit), "train", *flags, *more, "--workspace", str(faces.root)]
        return subprocess.run([*command, "--yes"], capture_output=True, text=True, check=False)

    begun = run(6000, "--batch-size=2", "--target-iter=1")
    assert begun.returncode == 0, begun.stdout + begun.stderr
    failed = run(2500, "--batch-size=512", "--target-iter=2")
    assert failed.returncode == 2, failed.stdout + failed.stderr
    assert "Training these options needs about 5.7 GB of memory, 2." in failed.stderr
    assert "Use --batch-size 1" in failed.stderr
    again = run(6000, "--batch-size=auto", "--target-iter=2")
    assert again.returncode == 0, again.stdout + again.stderr
    assert "Batch size 8 fits this machine." in again.stdout
    assert read_checkpoint(model_folder(faces.model, "new", "SAEHD")).iteration == 2


@pytest.fixture
def faces(workspace: Workspace) -> Workspace:
    for side, colour in (("src", (90, 140, 220)), ("dst", (200, 180, 120))):
        make_faceset(workspace.aligned(side), colour, count=4)
    return workspace


@pytest.fixture
def small_memory(monkeypatch: pytest.MonkeyPatch, full: Exception, eager: None) -> None:
    """Steps of more than three faces fail as they do on a full card."""
    iterate = Trainer.iterate

    def limited(trainer: Trainer) -> dict[str, float]:
        if trainer.as_checkpoint().options["batch_size"] > 3:
            raise full
        return iterate(trainer)

    monkeypatch.setattr(Trainer, "iterate", limited)


@pytest.mark.slow
def test_a_full_card_names_a_batch_that_may_fit(faces: Workspace, small_memory: None) -> None:
    with pytest.raises(UserError, match="does not suffice for new_SAEHD with batch size 4") as error:
        run_train(faces, TrainOptions(**TRAINED, batch_size=4, target_iter=1), RecordingReport())
    assert "--batch-size 3 or" in error.value.todo


@pytest.mark.slow
def test_auto_takes_a_smaller_batch_and_goes_on(faces: Workspace, small_memory: None) -> None:
    heard = RecordingReport()
    run_train(faces, TrainOptions(**TRAINED, batch_size="auto", target_iter=2), heard)
    told = [line for line in heard.lines if "Out of memory" in line]
    assert [line[-2:] for line in told] == ["6.", "4.", "3."]
    saved = read_checkpoint(model_folder(faces.model, "new", "SAEHD"))
    assert (saved.iteration, saved.options["batch_size"]) == (2, 3)

"""Models saved by the original: what they predict, lose and learn must be what was recorded."""

import json
import pickle
import shutil

import numpy as np
import pytest

from dfl.base.errors import UserError
from dfl.base.report import Report
from dfl.models.engine import start_engine

start_engine("tensorflow")

from keras import ops  # noqa: E402

from dfl.models.compiled import compiled  # noqa: E402
from dfl.models.open_model import build_network, open_model, set_weights  # noqa: E402
from dfl.models.saved_set import read_set  # noqa: E402
from dfl.original.import_model import as_saved_set, run  # noqa: E402
from dfl.original.options import ImportOptions  # noqa: E402
from dfl.original.read_model import read_model  # noqa: E402
from dfl.training.losses import LossSettings, blur_out, blurred_mask, side_loss, side_terms  # noqa: E402
from dfl.training.optimizers import Optimizer  # noqa: E402
from dfl.training.step import make_step  # noqa: E402

CASES = ["df_ud", "liae_ud", "df_ud_rmsprop_clip"]
RATE = 5e-5
HALF = 2.5e-4  # predictions for unwarped faces were recorded as float16


class Case:
    """One recorded model with its batch."""

    def __init__(self, folder):
        self.folder = folder
        self.model = read_model(folder)
        saved, _ = as_saved_set(self.model)
        self.options = saved.options
        self.network = build_network(saved.class_name, saved.options)
        set_weights(self.network, saved.weights, folder.name)
        self.step = np.load(folder / "step.npz")
        self.settings = LossSettings(
            self.options["resolution"],
            self.options["masked_training"],
            self.options["eyes_mouth_prio"],
            self.options["blur_out_mask"],
        )

    def batch(self, name):
        array = self.step[name].astype(np.float32) / 255
        return array if array.ndim == 4 else array[..., None]

    def arrays(self, side):
        return [self.batch(f"{kind}_{side}") for kind in ("warped", "target", "mask", "mask_em")]


@pytest.fixture(scope="module", params=CASES)
def case(request, shared):
    return Case(shared / "original" / "models" / request.param)


def test_weights_have_the_originals_names_in_its_order(case):
    assert list(case.network.weights()) == list(case.model.weights)


@pytest.mark.parametrize("kind", ["warped", "target"])
def test_predictions(case, kind, agrees):
    src, dst = case.batch(f"{kind}_src"), case.batch(f"{kind}_dst")
    names = ["src_src", "src_srcm", "dst_dst", "dst_dstm", "src_dst", "src_dstm"]
    outputs = [*compiled(case.network.reconstruct)(src, dst), *compiled(case.network.swap)(dst)[:2]]
    for name, output in zip(names, outputs, strict=True):
        record = f"{kind}_in_{name}"
        if record in case.step:
            tolerance = 1e-5 if kind == "warped" else HALF
            agrees(f"models {case.folder.name} {kind} predictions", output, case.step[record], tolerance)


def test_merging_predicts_the_same_as_training(case):
    dst = case.batch("target_dst")
    face, mask, _, dst_mask = compiled(case.network.swap)(dst)
    for one, other in zip((face, mask, dst_mask), compiled(case.network.swap_for_merging)(dst), strict=True):
        assert np.abs(one - other).max() < 1e-6


def test_loss_terms_and_masks(case, agrees):
    faces = case.network.reconstruct(case.batch("warped_src"), case.batch("warped_dst"))
    for side, (face, face_mask) in {"src": faces[:2], "dst": faces[2:]}.items():
        _, target, mask, eyes_mouth = case.arrays(side)
        for name, term in side_terms(target, mask, eyes_mouth, face, face_mask, case.settings).items():
            wanted = case.step[f"{side}_term_{name}"]
            agrees(f"models {case.folder.name} term {name}", term, wanted, 1e-4 * np.abs(wanted).max())
        if f"{side}_term_mask_blur" in case.step:
            wanted = case.step[f"{side}_term_mask_blur"].astype(np.float32)
            agrees(
                f"models {case.folder.name} blurred mask",
                ops.reshape(blurred_mask(mask, case.settings), wanted.shape),
                wanted,
                1e-3,
            )
        if case.settings.blur_out_mask:
            wanted = case.step[f"target_{side}_blurred_out"].astype(np.float32)
            agrees(f"models {case.folder.name} blurred out", blur_out(target, mask, 64), wanted, 1e-3)


def test_one_optimizer_step(case, agrees):
    def losses(*batch):
        src, dst = batch[:4], batch[4:]
        faces = case.network.reconstruct(src[0], dst[0])
        return (
            side_loss(*src[1:], *faces[:2], case.settings),
            side_loss(*dst[1:], *faces[2:], case.settings),
        )

    trained = case.network.trained_weights()
    clip = 1.0 if case.options["clipgrad"] else 0.0
    optimizer = Optimizer(trained, is_adabelief=case.options["adabelief"], rate=RATE, clip=clip)
    for name, variable in optimizer.state().items():
        if name != "random":
            variable.assign(case.model.optimizer[name])
    before = {name: ops.convert_to_numpy(weight).copy() for name, weight in trained.items()}
    src, dst = make_step(losses, list(trained.values()), optimizer)(*case.arrays("src"), *case.arrays("dst"))
    name = case.folder.name
    for got, side in ((src, "src"), (dst, "dst")):
        wanted = case.step[f"{side}_loss"]
        agrees(f"models {name} loss (relative)", got / wanted, np.ones_like(wanted), 1e-4)
    delta = np.load(case.folder / "step_delta.npz")
    for key, weight in trained.items():
        moved = (ops.convert_to_numpy(weight) - before[key]) / RATE
        agrees(f"models {name} step_delta (mean)", moved, delta[f"{key}:0"].astype(np.float32), 0.02, how="mean")
    set_weights(case.network, case.model.weights, name)


def test_gradient_norms(case, agrees):
    """Norms of the gradients, recorded where the optimizer does not clip."""
    import tensorflow as tf

    info = json.loads((case.folder / "info.json").read_text())["weights"]
    weights = case.network.trained_weights()
    variables = [weight.value for weight in weights.values()]
    with tf.GradientTape() as tape:
        faces = case.network.reconstruct(case.batch("warped_src"), case.batch("warped_dst"))
        total = sum(
            tf.reduce_sum(side_loss(*case.arrays(side)[1:], *pair, case.settings))
            for side, pair in (("src", faces[:2]), ("dst", faces[2:]))
        )
    recorded = 0
    for name, gradient in zip(weights, tape.gradient(total, variables), strict=True):
        slot = info.get("src_dst_opt/ms_" + name + "_0:0", {})
        if "gradient_l2" in slot:
            recorded += 1
            norm = float(tf.norm(gradient)) / slot["gradient_l2"]
            agrees(f"models {case.folder.name} gradient norm (relative)", norm, 1.0, 1e-3)
    assert recorded == (0 if case.options["clipgrad"] or not case.options["adabelief"] else len(weights))


def test_imported_model_predicts_through_the_api(shared, workspace):
    case = Case(shared / "original" / "models" / "df_ud")
    run(workspace, ImportOptions(kind="model", folder=case.folder), Report())
    model = open_model(workspace.model, "ref", None, None, Report())
    prediction = model.predict(case.batch("warped_dst"))
    assert np.abs(prediction.face - case.step["warped_in_src_dst"]).max() < 1e-5
    assert (model.resolution, model.iteration) == (64, 40)
    assert read_set(workspace.model / "ref_SAEHD").history.shape == (40, 2)
    with pytest.raises(UserError, match="already has a model"):
        run(workspace, ImportOptions(kind="model", folder=case.folder), Report())


@pytest.mark.parametrize("damage", ["missing", "cut", "hostile", "other"])
def test_damaged_models_are_refused_and_named(shared, tmp_path, damage):
    folder = tmp_path / "model"
    shutil.copytree(shared / "original" / "models" / "df_ud", folder)
    victim = folder / "ref_SAEHD_inter.npy"
    victim.chmod(0o644)
    folder.chmod(0o755)
    if damage == "missing":
        victim.unlink()
    if damage == "cut":
        victim.write_bytes(victim.read_bytes()[:1000])
    if damage == "hostile":
        victim.write_bytes(pickle.dumps(print))
    if damage == "other":
        victim.write_bytes(pickle.dumps([1, 2, 3]))
    with pytest.raises(UserError, match=r"inter\.npy"):
        read_model(folder)


def test_weights_that_do_not_fit_are_named(shared):
    case = Case(shared / "original" / "models" / "df_ud")
    wrong = dict(case.model.weights)
    wrong["inter/dense1/bias"] = np.zeros(3, np.float32)
    with pytest.raises(UserError, match=r"inter/dense1/bias has shape \(3,\)"):
        set_weights(case.network, wrong, "ref")


def test_a_folder_without_models_says_what_it_looked_for(tmp_path):
    with pytest.raises(UserError, match="No model of the original"):
        read_model(tmp_path)

"""Models saved by the original: what they predict, lose and learn must be what was recorded."""

import json
import pickle
import shutil

import numpy as np
import pytest

from dfl.base.errors import UserError
from dfl.base.report import Report
from dfl.models.engine import start_engine
from tests.recording_report import RecordingReport

start_engine("tensorflow")

from keras import ops  # noqa: E402

from dfl.interop.import_model import as_checkpoint, run  # noqa: E402
from dfl.interop.options import ImportOptions  # noqa: E402
from dfl.interop.read_model import read_model  # noqa: E402
from dfl.merging.planning.learned_shift import shift_between  # noqa: E402
from dfl.models.checkpoint import read_checkpoint  # noqa: E402
from dfl.models.compiled import compiled  # noqa: E402
from dfl.models.open_model import build_network, open_model, set_weights  # noqa: E402
from dfl.models.saehd import SaehdSwapModel  # noqa: E402
from dfl.nets.patch_size import patch_multiple  # noqa: E402
from dfl.training.losses.reconstruction import LossSettings, blur_out, blurred_mask, side_terms  # noqa: E402
from dfl.training.losses.terms import in_group  # noqa: E402
from dfl.training.optimizers import Optimizer  # noqa: E402
from dfl.training.training_step import make_training_step  # noqa: E402

CASES = ["df_ud", "liae_ud", "df_ud_rmsprop_clip"]
RATE = 5e-5
RECORDED_TERMS = {"mse": "square"}  # the record has names of its own
HALF = 2.5e-4  # predictions for unwarped faces were recorded as float16


class Case:
    """One recorded model with its batch."""

    def __init__(self, folder):
        self.folder = folder
        self.model = read_model(folder)
        saved, _ = as_checkpoint(self.model)
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


def test_dst_is_reconstructed_as_in_training(case):
    """And hardly trained models show nothing that could be taken for a shift."""
    dst = case.batch("target_dst")
    model = SaehdSwapModel(case.network, case.network.face_type, "recorded", 40)
    faces, masks = model.reconstruct(dst)
    for one, other in zip((faces, masks), compiled(case.network.reconstruct)(dst, dst)[2:], strict=True):
        assert np.abs(one - np.clip(other, 0, 1)).max() < 1e-6
    assert not any(shift_between(*one) for one in zip(dst, faces, masks[:, :, :, 0], strict=True))


def test_loss_terms_and_masks(case, agrees):
    faces = case.network.reconstruct(case.batch("warped_src"), case.batch("warped_dst"))
    for side, (face, face_mask) in {"src": faces[:2], "dst": faces[2:]}.items():
        _, target, mask, eyes_mouth = case.arrays(side)
        for name, term in side_terms(target, mask, eyes_mouth, face, face_mask, case.settings).items():
            wanted = case.step[f"{side}_term_{RECORDED_TERMS.get(name, name)}"]
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
        return in_group("src", side_terms(*src[1:], *faces[:2], case.settings)) | in_group(
            "dst", side_terms(*dst[1:], *faces[2:], case.settings)
        )

    trained = case.network.trained_weights()
    clip = 1.0 if case.options["clipgrad"] else 0.0
    optimizer = Optimizer(trained, is_adabelief=case.options["adabelief"], learning_rate=RATE, clip_norm=clip)
    for name, variable in optimizer.state().items():
        if name != "random":
            variable.assign(case.model.optimizer[name])
    before = {name: ops.convert_to_numpy(weight).copy() for name, weight in trained.items()}
    step = make_training_step(losses, list(trained.values()), optimizer, ("src", "dst"))
    src, dst = step(*case.arrays("src"), *case.arrays("dst")).sums
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
            tf.reduce_sum(list(side_terms(*case.arrays(side)[1:], *pair, case.settings).values()))
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
    assert read_checkpoint(workspace.model / "ref_SAEHD").history.shape == (40, 2)
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


def tiny_original(folder, options, class_name="SAEHD", name="né", **data):
    """Files of the original without sensible weights: what is read of options alone."""
    folder.mkdir(exist_ok=True)
    prefix = "XSeg" if class_name == "XSeg" else f"{name}_{class_name}"
    content = {"iter": 7, "options": options, "loss_history": [[0.5, 0.25]] * 7} | data
    (folder / f"{prefix}_data.dat").write_bytes(pickle.dumps(content, 4))
    for part in (
        "encoder",
        "inter",
        "inter_AB",
        "inter_B",
        "decoder_src",
        "decoder_dst",
        "decoder",
        "inter_src",
        "256",
    ):
        (folder / f"{prefix}_{part}.npy").write_bytes(pickle.dumps({"x:0": np.zeros(3, np.float32)}, 4))
    (folder / f"{prefix}_inter_dst.npy").write_bytes(pickle.dumps({"x:0": np.zeros(3, np.float32)}, 4))
    return folder


@pytest.mark.parametrize(
    ("class_name", "name", "value", "taken"),
    [
        ("SAEHD", "batch_size", 1000, 512),
        ("SAEHD", "batch_size", 0, 1),
        ("SAEHD", "target_iter", -5, 0),
        ("SAEHD", "autobackup_hour", 99, 24),
        ("SAEHD", "random_hsv_power", 0.5, 0.3),
        ("SAEHD", "gan_power", float("nan"), 0.0),
        ("SAEHD", "lr_dropout", "often", "n"),
        ("SAEHD", "ct_mode", "sot-m", "none"),
        ("SAEHD", "true_face_power", 0.01, 0.0),  # liae has no such code
        ("SAEHD", "masked_training", "perhaps", True),
        ("SAEHD", "loss_function", ["SSIM"], "SSIM"),
        ("AMP", "morph_factor", 0.9, 0.5),  # no array's shape rests on it
        ("Quick96", "batch_size", 4.5, 4),
        ("XSeg", "batch_size", 4096, 512),
    ],
)
def test_an_option_outside_our_range_is_brought_inside_and_told(workspace, tmp_path, class_name, name, value, taken):
    archi = {"archi": "liae-ud"} if class_name == "SAEHD" else {}
    folder = tiny_original(tmp_path / "model", {name: value} | archi, class_name)
    heard = RecordingReport()
    run(workspace, ImportOptions(kind="model", folder=folder), heard)
    (saved,) = (read_checkpoint(path) for path in workspace.model.iterdir())
    assert saved.options[name] == taken
    (said,) = heard.warnings
    assert name in said


def test_a_gan_that_does_not_go_with_the_resolution_is_switched_off(workspace, tmp_path):
    patch = next(size for size in range(3, 641) if 224 % patch_multiple(size))
    options = {"archi": "df-ud", "resolution": 224, "gan_power": 0.1, "gan_patch_size": patch}
    heard = RecordingReport()
    run(workspace, ImportOptions(kind="model", folder=tiny_original(tmp_path / "model", options)), heard)
    assert read_checkpoint(workspace.model / "né_SAEHD").options["gan_power"] == 0
    assert "gan_power 0.1 is switched off" in heard.warnings[0]


@pytest.mark.parametrize(("value", "taken"), [(True, "y"), (False, "n"), ("cpu", "cpu")])
def test_options_of_older_versions_are_those_of_newer_ones(tmp_path, value, taken):
    folder = tiny_original(tmp_path / "model", {"archi": "df-ud", "lr_dropout": value, "eyes_prio": True})
    heard = RecordingReport()
    options = as_checkpoint(read_model(folder), heard.warn)[0].options
    assert (options["lr_dropout"], options["eyes_prio"], heard.warnings) == (taken, 0.0, [])


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"e_dims": 5000}, "e_dims 5000"),
        ({"resolution": 4096}, "resolution 4096"),
        ({"resolution": "large"}, "resolution 'large'"),
        ({"face_type": "elbow"}, "face_type 'elbow'"),
        ({"archi": "dfhd"}, "dfhd is no architecture"),
        ({"archi": "liae-ud", "resolution": 144}, "resolution of 144"),
        ({"archi": ["df"]}, "archi"),
    ],
)
def test_an_option_that_the_weights_rest_on_is_named_and_nothing_imported(workspace, tmp_path, options, named):
    folder = tiny_original(tmp_path / "model", {"archi": "df-ud"} | options)
    with pytest.raises(UserError, match="né") as caught:
        run(workspace, ImportOptions(kind="model", folder=folder), Report())
    assert named in caught.value.what
    assert list(workspace.model.iterdir()) == []


@pytest.mark.parametrize("new_name", ["../../x", "..", "a/b", "C:\\x", "con", "", " x", "x" * 300, "\0"])
def test_a_new_name_never_leads_outside_the_models(workspace, tmp_path, new_name):
    folder = tiny_original(tmp_path / "model", {"archi": "df-ud"})
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(UserError, match="model name"):
        run(workspace, ImportOptions(kind="model", folder=folder, new_name=new_name), Report())
    assert sorted(tmp_path.rglob("*")) == before


def test_an_imported_xseg_model_keeps_its_name(workspace, tmp_path):
    folder = tiny_original(tmp_path / "model", {"face_type": "wf"}, "XSeg")
    with pytest.raises(UserError, match="a workspace has one"):
        run(workspace, ImportOptions(kind="model", folder=folder, new_name="masks"), Report())
    run(workspace, ImportOptions(kind="model", folder=folder), Report())
    assert (workspace.model / "XSeg_XSeg").is_dir()


def test_of_two_classes_of_one_name_the_class_chooses(workspace, tmp_path):
    folder = tiny_original(tmp_path / "model", {}, "AMP")
    tiny_original(folder, {"archi": "df-ud"})
    run(workspace, ImportOptions(kind="model", folder=folder, name="né", model="AMP"), Report())
    assert [path.name for path in workspace.model.iterdir()] == ["né_AMP"]


@pytest.mark.parametrize("damage", [{"iter": "many"}, {"iter": None}, {"iter": -1}, {"iter": True}])
def test_a_count_of_iterations_that_is_none_is_named(tmp_path, damage):
    with pytest.raises(UserError, match="count of iterations"):
        read_model(tiny_original(tmp_path / "model", {"archi": "df-ud"}, **damage))


@pytest.mark.parametrize(
    ("entries", "rows"),
    [
        (5, 0),
        ([1, 2], 0),
        ([[1.0, 2.0], "no", [3.0, 4.0, 5.0]], 1),
        ([[1.0]], 0),
        ([(1, 2), [3, 4]], 2),
        ([["a", "b"]], 0),
    ],
)
def test_a_history_of_another_form_begins_anew(tmp_path, entries, rows):
    folder = tiny_original(tmp_path / "model", {"archi": "df-ud"}, loss_history=entries)
    assert read_model(folder).history.shape == (rows, 2)


def test_a_full_disk_leaves_no_half_of_an_imported_model(workspace, tmp_path, monkeypatch):
    folder = tiny_original(tmp_path / "model", {"archi": "df-ud"})
    monkeypatch.setattr("shutil.disk_usage", lambda _: type("Usage", (), {"free": 1000})())
    with pytest.raises(UserError, match="Saving the model"):
        run(workspace, ImportOptions(kind="model", folder=folder), Report())
    assert list(workspace.model.iterdir()) == []

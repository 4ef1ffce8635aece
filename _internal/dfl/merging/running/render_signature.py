"""Render signatures: all settings and models that a frame's pictures depend on, to detect what must be redone."""

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

from dfl.faces.face_type import FaceType
from dfl.merging.planning.tasks import FaceTask, FrameTask
from dfl.merging.running.merge_journal import DIGESTS, Signature
from dfl.merging.running.networks import Networks
from dfl.merging.running.output import FrameFiles

_CHANGES_SHOWN = 6
_DIGEST_DIGITS = 16


def render_signature(task: FrameTask, networks: Networks, files: FrameFiles | None = None) -> Signature:
    """All that a frame's pictures depend on, except its sources. files: output options, None for a frame of a video."""
    signature: dict[str, Any] = {"faces": [_face_signature(face, networks) for face in task.faces]}
    if files:
        signature |= {"mark": files.mark, "alpha": files.alpha, "crops": files.crops is not None}
    if task.settings.mode == "raw-predict":
        signature["mode"] = "raw-predict"
    return signature | task.settings.deciding_without_face()


def _face_signature(face: FaceTask, networks: Networks) -> dict[str, Any]:
    model = networks.models[face.model]
    xseg: dict[str, Any] = {}
    if networks.xseg and face.settings.needs_xseg:
        xseg = {"xseg_iteration": networks.xseg.iteration, **_digest("xseg_weights", networks.xseg.digest)}
    return {
        "model": model.name,
        "iteration": model.iteration,
        **_digest("weights", model.digest),
        "resolution": model.resolution,
        "face_type": FaceType(model.face_type).file_name,
        **model.settings,
        **xseg,
        **({"shift": list(face.shift)} if any(face.shift) else {}),
        **face.settings.deciding(),
    }


def _digest(name: str, digest: str) -> dict[str, str]:
    return {name: digest[:_DIGEST_DIGITS]} if digest else {}


def source_of(tasks: Sequence[FrameTask], index: int) -> str:
    """Digest of a frame's file facts, its landmarks, and the neighbours that it is smoothed with."""
    task = tasks[index]
    digest = hashlib.sha256(_file_facts(task).encode())
    for face in task.faces:
        digest.update(face.landmarks.tobytes())
        if face.settings.motion_blur:
            digest.update(repr(face.motion).encode())
    tracks = {face.track for face in task.faces} - {None}
    for near in tasks[max(index - task.neighbours, 0) : index + task.neighbours + 1]:
        same = [face for face in near.faces if face.track in tracks]
        if near is not task and same:
            digest.update(f"{near.index - index} {_file_facts(near)}".encode())
            for face in same:
                digest.update(face.landmarks.tobytes())
    return digest.hexdigest()[:16]


def _file_facts(task: FrameTask) -> str:
    try:
        status = task.path.stat()
    except OSError:
        return task.path.name  # read directly from a clip, or deleted: then merging it fails with a message
    return repr((task.path.name, status.st_size, status.st_mtime_ns))


def changes(before: Signature, now: Signature) -> list[str]:
    """The differences as texts such as `erode 0 → 12`."""
    found: dict[str, None] = {}
    for old, new in _pairs(before, now):
        for name in {**old, **new}:
            if name in DIGESTS:
                if name in old and name in new and old[name] != new[name] and _same_iteration(old, new, name):
                    found["another model of the same name"] = None
            elif name in old and name in new and old[name] != new[name] and name != "faces":
                found[f"{name} {old[name]} → {new[name]}"] = None
            elif name in new and name not in old:
                found[f"{name} {new[name]}"] = None
            elif name == "shift" and name not in new:
                found["no shift"] = None
    if len(before.get("faces", ())) != len(now["faces"]):
        found[f"swapped faces {len(before.get('faces', ()))} → {len(now['faces'])}"] = None
    return list(found)[:_CHANGES_SHOWN]


def _same_iteration(old: Mapping[str, Any], new: Mapping[str, Any], digest: str) -> bool:
    """Whether two networks with different weights have the same name and iteration."""
    return all(old.get(name) == new.get(name) for name in DIGESTS[digest])


def _pairs(before: Signature, now: Signature) -> list[tuple[Mapping[str, Any], Mapping[str, Any]]]:
    return [(before, now), *zip(before.get("faces", ()), now["faces"], strict=False)]

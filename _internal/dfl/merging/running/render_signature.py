"""How frames are made, in comparable form: what decides a frame's pictures, and what changed since they were made."""

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

from dfl.faces.face_type import FaceType
from dfl.merging.planning.tasks import FrameTask
from dfl.merging.running.merge_journal import DIGESTS, Look
from dfl.merging.running.networks import Networks
from dfl.merging.running.output import FrameFiles

_CHANGES_SHOWN = 6
_DIGEST_DIGITS = 16


def render_signature(task: FrameTask, networks: Networks, files: FrameFiles | None = None) -> Look:
    """All that decides how a frame looks, but its sources. files: how it is written, None for a frame of a video."""
    look: dict[str, Any] = {"faces": [_face_look(task, place, networks) for place in range(len(task.faces))]}
    if files:
        look |= {"mark": files.mark, "alpha": files.alpha, "crops": files.crops is not None}
    if task.settings.mode == "raw-predict":
        look["mode"] = "raw-predict"
    return look | task.settings.deciding_without_face()


def _face_look(task: FrameTask, place: int, networks: Networks) -> dict[str, Any]:
    face = task.faces[place]
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
        **face.settings.deciding(),
    }


def _digest(name: str, digest: str) -> dict[str, str]:
    return {name: digest[:_DIGEST_DIGITS]} if digest else {}


def source_of(tasks: Sequence[FrameTask], place: int) -> str:
    """Short text that changes when a frame's file, its faces, or what its neighbours lend it, change."""
    task = tasks[place]
    digest = hashlib.sha256(_file_facts(task).encode())
    for face in task.faces:
        digest.update(face.landmarks.tobytes())
        if face.settings.motion_blur:
            digest.update(repr(face.motion).encode())
    tracks = {face.track for face in task.faces} - {None}
    for near in tasks[max(place - task.reach, 0) : place + task.reach + 1]:
        lent = [face for face in near.faces if face.track in tracks]
        if near is not task and lent:
            digest.update(f"{near.place - place} {_file_facts(near)}".encode())
            for face in lent:
                digest.update(face.landmarks.tobytes())
    return digest.hexdigest()[:16]


def _file_facts(task: FrameTask) -> str:
    try:
        status = task.path.stat()
    except OSError:
        return task.path.name  # straight from a clip, or gone: then merging it fails and says so
    return repr((task.path.name, status.st_size, status.st_mtime_ns))


def changes(before: Look, now: Look) -> list[str]:
    """What differs, in words such as `erode 0 → 12`."""
    said: dict[str, None] = {}
    for old, new in _pairs(before, now):
        for name in {**old, **new}:
            if name in DIGESTS:
                if name in old and name in new and old[name] != new[name] and _same_iteration(old, new, name):
                    said["another model of the same name"] = None
            elif name in old and name in new and old[name] != new[name] and name != "faces":
                said[f"{name} {old[name]} → {new[name]}"] = None
            elif name in new and name not in old:
                said[f"{name} {new[name]}"] = None
    if len(before.get("faces", ())) != len(now["faces"]):
        said[f"swapped faces {len(before.get('faces', ()))} → {len(now['faces'])}"] = None
    return list(said)[:_CHANGES_SHOWN]


def _same_iteration(old: Mapping[str, Any], new: Mapping[str, Any], digest: str) -> bool:
    """Whether nothing else tells the two networks apart."""
    return all(old.get(name) == new.get(name) for name in DIGESTS[digest])


def _pairs(before: Look, now: Look) -> list[tuple[Mapping[str, Any], Mapping[str, Any]]]:
    return [(before, now), *zip(before.get("faces", ()), now["faces"], strict=False)]

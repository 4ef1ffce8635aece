#!/usr/bin/env bash
# Show that what the original's NumPy 1 loads is what we write: an aligned JPEG's face data, a pack's list, a meta.dat.
#
#   usage:  tools/check_with_numpy1.sh [PYTHON]
#
#   PYTHON   a Python that has a NumPy 1 (below 2), made into a venv of its own; default: python3
#
# Needs pip and the program's own Python ($DFL_PYTHON, default: python). Nothing outside a temporary folder is touched.
set -euo pipefail

CHECKOUT=$(cd "$(dirname "$0")/.." && pwd)
PLACE=$(mktemp -d)
trap 'rm -rf "$PLACE"' EXIT

"${1:-python3}" -m venv "$PLACE/venv"
"$PLACE/venv/bin/python" -m pip install --quiet --only-binary :all: 'numpy<2'

PYTHONPATH="$CHECKOUT/_internal" "${DFL_PYTHON:-python}" - "$PLACE" "$CHECKOUT/tests/records/face_pickles.npz" <<'MAKE'
import sys
from pathlib import Path

import cv2
import numpy as np

from dfl.base import jpeg
from dfl.base.report import Report
from dfl.faceset import pack, save_metadata
from dfl.faceset.aligned_face import read_metadata, write_face
from dfl.faceset_tools.options import PackOptions, SaveMetadataOptions
from dfl.workspace import Workspace

workspace = Workspace(Path(sys.argv[1]) / "workspace")
workspace.create()
folder = workspace.aligned("src")
picture = np.full((256, 256, 3), 90, np.uint8)
plain = cv2.imencode(".jpg", picture)[1].tobytes()
with np.load(sys.argv[2]) as recorded:
    for name in recorded.files:
        metadata = read_metadata(jpeg.with_payload(plain, 0xEF, recorded[name].tobytes(), name), name)
        write_face(folder / f"{name}.jpg", picture, metadata)
save_metadata.run(workspace, SaveMetadataOptions(side="src"), Report())
pack.run(workspace, PackOptions(side="src", delete=False), Report())
MAKE

"$PLACE/venv/bin/python" - "$PLACE/workspace/data_src/aligned" <<'CHECK'
import enum
import pickle
import struct
import sys
import types
from pathlib import Path

import numpy as np

assert int(np.__version__.split(".")[0]) == 1, np.__version__
for module, name, members in (
    ("samplelib.Sample", "SampleType", {"FACE": 1}),
    ("facelib.FaceType", "FaceType", {"HALF": 0, "MID_FULL": 1, "FULL": 2, "WHOLE_FACE": 4, "HEAD": 10}),
):
    parent = sys.modules.setdefault(module.split(".")[0], types.ModuleType(module.split(".")[0]))
    sys.modules[module] = types.ModuleType(module)
    setattr(sys.modules[module], name, enum.IntEnum(name, members, module=module))
    setattr(parent, module.split(".")[1], sys.modules[module])


def check(data, where):
    assert len(data["landmarks"]) == 68 and data["image_to_face_mat"].shape == (2, 3), where
    assert isinstance(data["source_rect"], np.ndarray), where
    for polygon in data.get("seg_ie_polys", {}).get("polys", []):
        assert polygon["pts"].dtype == np.float32, where
    assert data.get("xseg_mask", np.zeros(1, np.uint8)).dtype == np.uint8, where


folder = Path(sys.argv[1])
jpegs = {}
for path in sorted(folder.glob("*.jpg")):
    content = path.read_bytes()
    place = content.index(b"\xff\xef")
    (length,) = struct.unpack(">H", content[place + 2 : place + 4])
    jpegs[path.name] = pickle.loads(content[place + 4 : place + 2 + length])
    check(jpegs[path.name], path.name)
meta = pickle.loads((folder / "meta.dat").read_bytes())
assert sorted(meta) == sorted(jpegs)
for name, (shape, data) in meta.items():
    assert shape == (256, 256, 3)
    check(data, name)
pack = (folder / "faceset.pak").read_bytes()
version, length = struct.unpack("QQ", pack[:16])
rows = pickle.loads(pack[16 : 16 + length])
assert version == 1 and [row["filename"] for row in rows] == sorted(jpegs)
for row in rows:
    data = jpegs[row["filename"]]
    assert row["landmarks"] == data["landmarks"] and row["sample_type"].name == "FACE"
    assert (row["xseg_mask_compressed"] is None) == ("xseg_mask" not in data)
print(f"NumPy {np.__version__}, Python {sys.version.split()[0]}: {len(jpegs)} JPEGs, meta.dat and faceset.pak are loaded.")
CHECK

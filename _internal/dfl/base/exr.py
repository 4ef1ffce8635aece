"""OpenEXR pictures of half floats, as compositors read them: scan lines, ZIP, one part."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import OpenEXR
from numpy.typing import NDArray

from dfl.base.errors import UserError
from dfl.base.files import replacing

# Of ITU-R BT.709 and sRGB: red, green, blue, white, each x and y.
BT709 = (0.64, 0.33, 0.30, 0.60, 0.15, 0.06, 0.3127, 0.3290)


def write_exr(path: Path, channels: Mapping[str, NDArray[Any]], comments: str = "") -> None:
    """Write an OpenEXR file whole or not at all, without waiting for the disk.

    channels: by name (R, G, B, A), each (H, W), stored as float16; values are linear light. comments: the file's
    attribute of that name, left out when empty. UserError when it cannot be written.
    """
    header = {"type": OpenEXR.scanlineimage, "compression": OpenEXR.ZIP_COMPRESSION, "chromaticities": BT709}
    if comments:
        header["comments"] = comments
    planes = {name: np.ascontiguousarray(plane, np.float16) for name, plane in channels.items()}
    with replacing(path, durable=False) as part:
        try:
            OpenEXR.File(header, planes).write(str(part))
        except RuntimeError as error:  # its only kind; the text has the system's reason
            raise UserError(f"{path} cannot be written: {error}", "Check the disk and the folder.") from error

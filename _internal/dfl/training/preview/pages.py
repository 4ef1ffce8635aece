"""Preview pages: rows of input faces and the model's predictions, laid out as in the original.

Up to 256 pixels one page has the columns S, SS, D, DD, SD (src, its reconstruction, dst, its reconstruction, the swap),
and a second page the same with the masks applied. Larger faces get a page for each pair, so that a page fits a screen.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from dfl.base.pictures import Picture

# The largest resolution at which all five columns go on one page.
ONE_PAGE_RESOLUTION = 256

Faces = NDArray[np.float32]  # (N, R, R, 3) or (N, R, R, 1), 0..1
Pair = tuple[Faces, Faces]  # faces and their masks


def swap_pages(src: Pair, dst: Pair, predicted: Sequence[Faces], is_head: bool) -> dict[str, Picture]:
    """The pages by name, uint8 BGR, one row a sample: two, or six of faces larger than 256 pixels.

    src, dst: unwarped faces and their masks. predicted: src and dst reconstructed, dst swapped to src, and the masks of
    the last two.
    """
    src_src, dst_dst, src_dst, dst_dst_mask, src_dst_mask = predicted
    swap_mask = src_dst_mask if is_head else dst_dst_mask * src_dst_mask
    src_masked, dst_masked = src[0] * src[1], dst[0] * dst[1]
    if src[0].shape[1] <= ONE_PAGE_RESOLUTION:
        return {
            "preview": page([src[0], src_src, dst[0], dst_dst, src_dst]),
            "preview_masked": page([src_masked, src_src, dst_masked, dst_dst * dst_dst_mask, src_dst * swap_mask]),
        }
    return {
        "preview_src-src": page([src[0], src_src]),
        "preview_dst-dst": page([dst[0], dst_dst]),
        "preview_pred": page([dst[0], src_dst]),
        "preview_masked_src-src": page([src_masked, src_src]),
        "preview_masked_dst-dst": page([dst_masked, dst_dst * dst_dst_mask]),
        "preview_masked_pred": page([dst_masked, src_dst * swap_mask]),
    }


def page(columns: Sequence[Faces]) -> Picture:
    """Faces side by side, one row a sample; float 0..1 to uint8."""
    rows = [np.concatenate([column[index] for column in columns], axis=1) for index in range(len(columns[0]))]
    picture: Picture = (np.clip(np.concatenate(rows, axis=0), 0, 1) * 255 + 0.5).astype(np.uint8)
    return picture

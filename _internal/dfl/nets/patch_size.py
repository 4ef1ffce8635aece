"""Which layers give the patch discriminator a wanted patch size. Light: model options ask it without the engine."""

from functools import cache

MAX_LAYERS = 9


def patch_strides(patch_size: int) -> tuple[int, ...]:
    """Strides (1 or 2) of the 3x3 layers whose receptive field is nearest to `patch_size` pixels.

    Of two equally near fields the smaller is taken, as the original does: 16 -> (2, 2, 2), a field of 15.
    """
    known = _strides_by_field()
    return known[min(known, key=lambda field: (abs(field - patch_size), field))]


def receptive_field(strides: tuple[int, ...]) -> int:
    """Side in pixels of what one value of the innermost map sees, after 3x3 layers of these strides."""
    field, step = 3, strides[0]
    for stride in strides[1:]:
        field += 2 * step
        step *= stride
    return field


def patch_multiple(patch_size: int) -> int:
    """The resolution must be a multiple of this: every halving needs an even map."""
    return 1 << patch_strides(patch_size).count(2)


@cache
def _strides_by_field() -> dict[int, tuple[int, ...]]:
    """Per receptive field the strides to use: fewest layers, then most halvings, then the original's order."""
    best: dict[int, tuple[int, ...]] = {}
    for layers in range(1, MAX_LAYERS + 1):
        for code in range(2 ** (layers - 1) - 1, -1, -1):
            strides = (2, *(2 if code >> bit & 1 else 1 for bit in range(layers - 1)))
            field = receptive_field(strides)
            known = best.get(field)
            if known is None or (len(known), -sum(known)) > (layers, -sum(strides)):
                best[field] = strides
    return best

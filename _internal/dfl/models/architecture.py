"""What of a model's options fits together: architecture, resolution, discriminators. No engine is imported here."""

from dfl.base.errors import UserError

# Letters for which the resolution must be a multiple of 32.
_COARSE = "dt"


def is_df(archi: str) -> bool:
    """Whether it has one code for both people, and a decoder for each."""
    return archi.lower().partition("-")[0] == "df"


def multiple_for(archi: str) -> int:
    """What the resolution must be a multiple of."""
    return 32 if set(_COARSE) & set(archi.lower().partition("-")[2]) else 16


def fitting_architecture(archi: str, resolution: int) -> str:
    """The same without the letters that the resolution does not fit."""
    if not resolution % multiple_for(archi):
        return archi
    kind, _, letters = archi.partition("-")
    return f"{kind}-{''.join(letter for letter in letters if letter not in _COARSE)}".rstrip("-")


def check_architecture(archi: str) -> None:
    """UserError for one that there is not."""
    kind, dash, letters = archi.lower().partition("-")
    if kind not in ("df", "liae") or set(letters) - set("udtc") or bool(dash) != bool(letters):
        raise UserError(f"{archi} is no architecture.", "Expected df or liae, with letters of u, d, t, c: liae-ud.")


def check_multiple(resolution: int, multiple: int, what: str) -> None:
    """UserError for a resolution that does not fit an architecture, or a class."""
    if resolution % multiple:
        lower = max(multiple, resolution // multiple * multiple)
        raise UserError(
            f"A resolution of {resolution} does not fit {what}: expected a multiple of {multiple}.",
            f"Use {lower} or {lower + multiple}.",
        )


def check_true_face(archi: str) -> None:
    """UserError for an architecture without one code for both people."""
    if not is_df(archi):
        raise UserError(
            f"True face needs one code for both people, which {archi} has not.",
            "Use --true-face-power 0, or a df architecture in a new model.",
        )


def check_gan(power: float, patch_size: int, resolution: int) -> None:
    """UserError for a patch size that the resolution is not divided by; without power there is no GAN."""
    if not power:
        return
    from dfl.nets.patch_size import patch_multiple

    multiple = patch_multiple(patch_size)
    if resolution % multiple:
        raise UserError(
            f"A GAN patch size of {patch_size} needs a resolution that is a multiple of {multiple}, {resolution} is "
            "not.",
            f"Choose a smaller patch size: --gan-patch-size {max(3, resolution // 8)}.",
        )

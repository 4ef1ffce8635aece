"""What a model may be: defaults hold, impossible combinations are refused with the reason and the way out."""

import pytest

from dfl.base.errors import UserError
from dfl.models.options import Quick96Options, SaehdOptions


def test_defaults_are_the_originals():
    options = SaehdOptions()
    assert (options.resolution, options.archi, options.ae_dims, options.d_mask_dims) == (128, "liae-ud", 256, 22)
    assert Quick96Options().batch_size == 4


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"archi": "df-ud", "resolution": 80}, "multiple of 32"),
        ({"archi": "df-t", "resolution": 80}, "multiple of 32"),  # the original crashes here
        ({"archi": "df", "resolution": 72}, "multiple of 16"),
        ({"archi": "sae"}, "no architecture"),
        ({"archi": "df-"}, "no architecture"),
    ],
)
def test_impossible_combinations(given, message):
    with pytest.raises(UserError, match=message):
        SaehdOptions(**given)


def test_df_without_letters_needs_a_multiple_of_16_only():
    assert SaehdOptions(archi="df", resolution=80).resolution == 80

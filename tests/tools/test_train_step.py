"""The limit of a training step: all of its products are counted, and the table has its rows."""

import pytest

from dfl.models.engine import start_engine
from dfl.models.options import SaehdOptions

start_engine("tensorflow")

from dfl.bench.train_step import Example  # noqa: E402
from tools.benchmarks.products import products_of, timed_alone  # noqa: E402


@pytest.mark.slow
def test_products_of_a_step_are_its_convolutions_forward_and_backward():
    options = SaehdOptions(resolution=32, archi="df", ae_dims=8, e_dims=4, d_dims=4, d_mask_dims=2, batch_size=1)
    example = Example(options)
    products = products_of(example.losses, [weight.value for weight in example.weights.values()], options)
    # Encoder 4, inter 1, two decoders of 3 upscales, 6 in residual blocks, 3 mask upscales and 2 outputs.
    layers = 4 + 1 + 2 * (3 + 6 + 3 + 2)
    kinds = {kind: sum(n for product, n in products.items() if product.kind == kind) for kind in ("Conv2D", "MatMul")}
    assert kinds["Conv2D"] == layers
    assert kinds["MatMul"] == 2 * 3, "two dense layers: forward, and both gradients"
    backward = sum(count for product, count in products.items() if "Backprop" in product.kind)
    assert backward == 2 * layers - 1, "nobody asks for the gradient of the input picture"
    assert all(product.flops() > 0 for product in products)
    assert all(one.seconds > 0 for one in timed_alone(products, 1, "float32"))

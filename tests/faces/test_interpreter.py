import subprocess
import sys

import numpy as np

from dfl.faces.interpreter import TfliteNetwork
from dfl.faces.weights import package_file

_LOAD = """
import sys
from dfl.faces.interpreter import TfliteNetwork
from dfl.faces.weights import package_file

TfliteNetwork(package_file("face_detection_short_range.tflite"), ("regressors",))
print("still heard", file=sys.stderr)
"""


def test_loading_a_network_prints_nothing_and_keeps_the_error_output() -> None:
    done = subprocess.run([sys.executable, "-c", _LOAD], capture_output=True, text=True, check=True)
    assert done.stdout == ""
    assert done.stderr == "still heard\n"


def test_outputs_come_in_the_order_asked_for() -> None:
    file = package_file("face_detection_short_range.tflite")
    picture = np.zeros((128, 128, 3), np.float32)
    raw, scores = TfliteNetwork(file, ("regressors", "classificators"))(picture)
    assert (raw.size, scores.size) == (896 * 16, 896)
    again, _ = TfliteNetwork(file, ("classificators", "regressors"))(picture)
    assert np.array_equal(again, scores)

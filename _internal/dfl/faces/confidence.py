"""The confidence of a face's landmarks: a calibrated probability."""

import math

from dfl.faces.mesh import Mesh

# Logistic regressions on 1343 crops of 105 faces of eleven clips and of pictures of no face; the faces small, noisy,
# dark, blurred, covered, cut off by an edge, or in a wrong direction; the reference landmarks are those of the clear
# picture. Calibration error: at most 0.15 in each tenth of the scale (0.03 above 0.9). Columns: constant, presence,
# presence of mesh v1, natural logarithm of the spread.
_FOLLOWED = (-2.92, 0.38, 0.0, 0.0)
_FOUND = (-1.66, 0.067, 0.197, 0.0)
_FOLLOWED_AND_REFINED = (-13.9, 0.0, 0.0, -3.65)
_FOUND_AND_REFINED = (-8.95, 0.0, 0.1, -2.29)
_MIN_SPREAD = 1e-4


def confidence_of(mesh: Mesh) -> float:
    """Probability, 0..1, that the landmarks lie where a clear picture of the face would put them.

    That is: on average less than a tenth of the distance between the outer corners of the eyes away (of a face towards
    the camera, 0.45 of the mesh's longer side). Estimated from the networks' own scores: mesh v2's presence, v1's where
    the face was detected and not followed, and the spread over several crops where there were several (refine). Faces
    with only v1's mesh have v1's presence in both columns.
    """
    older = mesh.older_presence
    if mesh.spread is None:
        constant, of_presence, of_older, of_spread = _FOLLOWED if older is None else _FOUND
    else:
        constant, of_presence, of_older, of_spread = _FOLLOWED_AND_REFINED if older is None else _FOUND_AND_REFINED
    logit = constant + of_presence * mesh.presence + of_older * (older or 0.0)
    logit += of_spread * math.log(max(mesh.spread or 1.0, _MIN_SPREAD))
    return 1 / (1 + math.exp(-min(max(logit, -80.0), 80.0)))

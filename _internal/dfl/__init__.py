"""Two clips in, one clip out with the other face. The road: cli, stages, then the folders in DESIGN order."""

__version__ = "0.1.0"

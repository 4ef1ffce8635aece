#!/bin/sh
# Make a video of a model's preview history. (made by tools/make_scripts.py)
exec "$(dirname "$0")/../_internal/run.sh" time-lapse --ask "$@"

#!/bin/sh
# Train a model on both facesets until you stop it. (made by tools/make_scripts.py)
exec "$(dirname "$0")/../_internal/run.sh" train --ask "$@"

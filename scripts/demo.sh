#!/bin/sh
# Make two short clips and go the whole road once. (made by tools/make_scripts.py)
exec "$(dirname "$0")/../_internal/run.sh" demo --ask "$@"

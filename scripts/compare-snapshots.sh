#!/bin/sh
# Compare a model's backups and its newest state on the same faces. (made by tools/make_scripts.py)
exec "$(dirname "$0")/../_internal/run.sh" compare-snapshots --ask "$@"

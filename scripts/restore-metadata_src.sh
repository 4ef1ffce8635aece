#!/bin/sh
# Give edited pictures their face data back. For data_src. (made by tools/make_scripts.py)
exec "$(dirname "$0")/../_internal/run.sh" restore-metadata src --ask "$@"

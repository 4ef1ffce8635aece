#!/bin/sh
# Give edited pictures their face data back. For data_dst. (made by tools/make_scripts.py)
exec "$(dirname "$0")/../_internal/run.sh" restore-metadata dst --ask "$@"

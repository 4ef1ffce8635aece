#!/bin/sh
# Put faces back that were moved to a faceset's trash. For data_dst. (made by tools/make_scripts.py)
exec "$(dirname "$0")/../_internal/run.sh" restore dst --ask "$@"

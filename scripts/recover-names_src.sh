#!/bin/sh
# Give faces the names of their frames again, as after extraction. For data_src. (made by tools/make_scripts.py)
exec "$(dirname "$0")/../_internal/run.sh" recover-names src --ask "$@"

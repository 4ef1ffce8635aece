#!/bin/sh
# Measure the speed of the stages on this machine. (made by tools/make_scripts.py)
exec "$(dirname "$0")/../_internal/run.sh" bench --ask "$@"

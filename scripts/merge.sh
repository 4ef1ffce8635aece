#!/bin/sh
# Put the trained face into every frame of data_dst. (made by tools/make_scripts.py)
exec "$(dirname "$0")/../_internal/run.sh" merge --ask "$@"

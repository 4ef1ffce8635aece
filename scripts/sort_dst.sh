#!/bin/sh
# Put the faces of a faceset into an order, or choose the best of them. For data_dst. (made by tools/make_scripts.py)
exec "$(dirname "$0")/../_internal/run.sh" sort dst --ask "$@"

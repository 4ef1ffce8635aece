#!/bin/sh
# Tell who is in a faceset, and keep the faces of some only. For data_dst. (made by tools/make_scripts.py)
exec "$(dirname "$0")/../_internal/run.sh" people dst --ask "$@"

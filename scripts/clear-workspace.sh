#!/bin/sh
# Delete frames, faces and models of the workspace; videos stay. (made by tools/make_scripts.py)
exec "$(dirname "$0")/../_internal/run.sh" clear-workspace --ask "$@"

#!/bin/sh
# Take over a model or the face networks of the original program. (made by tools/make_scripts.py)
exec "$(dirname "$0")/../_internal/run.sh" import --ask "$@"

#!/bin/sh
# Tell what this machine has, what is wrong and how to mend it. (made by tools/make_scripts.py)
exec "$(dirname "$0")/../_internal/run.sh" doctor --ask "$@"

#!/bin/sh
# Tell how a file is marked as made, and whether the marks are whole. (made by tools/make_scripts.py)
exec "$(dirname "$0")/../_internal/run.sh" verify --ask "$@"

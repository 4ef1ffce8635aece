#!/bin/sh
# List saved models and their backups; rename or delete a model, or put a backup back. (made by tools/make_scripts.py)
exec "$(dirname "$0")/../_internal/run.sh" models --ask "$@"

#!/bin/sh
# Measures everything and writes docs/performance.md anew; takes almost half an hour on a
# machine that has nothing else to do.
set -eu
here=$(dirname "$0")
for what in compare latency scaling; do
    "$here/measure/run.sh" "$what" --write
done

#!/bin/sh
# The relay beside the same consumer on the vendor's Python and Node.js SDKs, and beside HTTP clients
# that do less, as the limits: events per second, processor time, memory, calls. One command, a table for
# each round trip and number of pulls. --help lists the options; --write updates docs/performance.md.
exec "$(dirname "$0")/measure/run.sh" compare "$@"

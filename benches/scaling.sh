#!/bin/sh
# How the relay grows with its pulls and with the backlog, how fast it starts and what it costs when
# idle. --help lists the options; --write updates docs/performance.md and its chart.
exec "$(dirname "$0")/measure/run.sh" scaling "$@"

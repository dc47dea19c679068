#!/bin/sh
# How long an event is on its way to a webhook, when little comes and at VOD's ceiling.
# --help lists the options; --write updates docs/performance.md.
exec "$(dirname "$0")/measure/run.sh" latency "$@"

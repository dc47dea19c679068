#!/usr/bin/env bash
# Runs the relay under mixed load and idle, and watches that it stays as large as it is.
#
#     tests/soak.sh [SECONDS [memory|ledger|spooled]]
#
# An emulated VOD with short leases and mild faults gets bursts and trickles of events, with idle
# in between; the relay, which is told to reload once per round, delivers them to a webhook that
# fails and stalls, to a file that is rotated, and some of them to a command. What is not in memory
# alone is in a state directory: the ledger, or the ledger and the spool.
#
# At the end of every round, after the idle, memory, descriptors, threads and zombies are counted.
# After a warm-up the last rounds must not exceed the first by more than the bounds below; and in
# the end every event has reached every sink that takes it, and is confirmed.
#
# VOD_RELAY_BIN names the program (default: target/release/vod-relay, which must have been built).
# Needs bash, python3 and curl. Takes up to a minute and a half longer than SECONDS.
set -euo pipefail

# By how much the last rounds may exceed the first after the warm-up.
rss_growth_kib=3072
peak_growth_kib=16384
descriptor_growth=12
thread_growth=6
# The most of one processor that an idle relay may take, in percent.
idle_cpu_max=5

seconds=${1:-300}
mode=${2:-memory}
root=$(cd "$(dirname "$0")/.." && pwd)
binary=$(realpath "${VOD_RELAY_BIN:-$root/target/release/vod-relay}")

# Rounds of half a minute, or shorter ones, for there must be some to compare.
rounds=$((seconds / 30))
[ "$rounds" -ge 4 ] || rounds=4
round_seconds=$((seconds / rounds))
# Long enough for retries to come to an end and for idle connections to be closed, which takes up
# to 8 s.
idle_seconds=$((round_seconds / 2))
[ "$idle_seconds" -ge 9 ] || idle_seconds=9
busy_seconds=$((round_seconds - idle_seconds))
[ "$busy_seconds" -ge 3 ] || busy_seconds=3
burst=1000
trickle=20

fail() {
    echo "tests/soak.sh: $*" >&2
    [ ! -f "${dir:-}/relay.log" ] || tail -n 20 "$dir/relay.log" >&2
    exit 1
}

[ -x "$binary" ] || fail "there is no program $binary; build it or set VOD_RELAY_BIN"
dir=$(mktemp -d)
children=()
cleanup() {
    local child
    for child in "${children[@]}"; do kill "$child" 2>/dev/null || true; done
    wait
    rm -rf "$dir"
}
trap cleanup EXIT
trap 'exit 130' INT TERM

state_dir="state_dir = \"$dir/state\"" ack=delivered
case $mode in
    memory) state_dir= ;;
    ledger) ;;
    spooled) ack=spooled ;;
    *) fail "$mode is none of memory, ledger, spooled" ;;
esac

# Waits for a line in a file, and answers with what stands behind the text.
behind() {
    local text=$1 file=$2 found
    for _ in $(seq 100); do
        found=$(sed -n "s|.*$text||p" "$file" 2>/dev/null | head -n 1)
        if [ -n "$found" ]; then
            echo "$found"
            return
        fi
        sleep 0.1
    done
    fail "$file never said \"$text\""
}

cat >"$dir/webhook.py" <<'PYTHON'
"""The user's application: most of the time it takes what comes."""
import http.server
import random
import sys
import time

taken = open(sys.argv[1], "a", buffering=1)
dice = random.Random(1)


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        self.rfile.read(int(self.headers["content-length"]))
        throw = dice.random()
        if throw < 0.01:  # Longer than the sink waits.
            time.sleep(1.5)
        elif throw < 0.02:
            self.close_connection = True
            return
        elif throw < 0.07:
            self.send_response(503)
            self.send_header("content-length", "0")
            self.end_headers()
            return
        elif throw < 0.12:
            time.sleep(0.1)
        taken.write(self.headers["webhook-id"] + "\n")
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_):
        pass


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, *_):
        pass  # A relay that gave up waiting is what the stalls are for.


server = Server(("127.0.0.1", 0), Handler)
print(f"port {server.server_port}", flush=True)
server.serve_forever()
PYTHON

cat >"$dir/events.py" <<'PYTHON'
"""Events from number FIRST on, COUNT of them; every tenth is an upload, for the command."""
import json
import sys

first, count = map(int, sys.argv[1:])
for number in range(first, first + count):
    file = str(5285890784246869930 + number)
    if number % 10 == 0:
        event = {"EventType": "NewFileUpload", "FileUploadEvent": {"FileId": file}}
    else:
        steps = [{"Type": "Transcode", "TranscodeTask": {"Status": "SUCCESS", "Progress": 100}}]
        event = {
            "EventType": "ProcedureStateChanged",
            "ProcedureStateChangeEvent": {
                "TaskId": f"1256768367-Procedure-{number:016x}t1",
                "Status": "FINISH",
                "FileId": file,
                "FileName": "动物世界 " * (number % 50),
                "MediaProcessResultSet": steps * (number % 8),
            },
        }
    print(json.dumps(event, ensure_ascii=False))
PYTHON

cat >"$dir/command.sh" <<'SHELL'
#!/bin/sh
# One event in 32 is only taken at the second try.
cat >/dev/null
case $VOD_RELAY_ATTEMPT$VOD_RELAY_EVENT_ID in
    1*[0-7]0) exit 1 ;;
esac
echo "$VOD_RELAY_EVENT_ID" >>"$1"
SHELL
chmod +x "$dir/command.sh"

"$binary" emulate --listen 127.0.0.1:0 --visibility 4s --hold 2s --seed 1 --stall 2s \
    --fault http-500=0.01 --fault reset=0.01 --fault garbage=0.005 --fault throttle=0.01 \
    --fault internal-error=0.01 --fault truncate=0.005 --fault stall=0.005 \
    --fault lost-pull=0.01 --fault lost-confirm=0.01 2>"$dir/emulator.log" &
children+=($!)
python3 "$dir/webhook.py" "$dir/webhook.ids" >"$dir/webhook.log" &
children+=($!)
vod=$(behind 'listening on ' "$dir/emulator.log")
port=$(behind 'port ' "$dir/webhook.log")
touch "$dir/webhook.ids" "$dir/command.ids"

cat >"$dir/config.toml" <<TOML
[relay]
$state_dir
[log]
level = "info"
[sources.main]
endpoint = "$vod"
lease = "4s"
ack = "$ack"
[sources.main.credentials]
secret_id = "AKIDemulator"
secret_key = "emulator-secret"
[sinks.app]
type = "webhook"
url = "http://127.0.0.1:$port/vod"
timeout = "1s"
max_concurrency = 32
[sinks.archive]
type = "file"
path = "$dir/events.jsonl"
rotate_size = "256 KiB"
rotate_keep = 1000
timeout = "2s"
[sinks.script]
type = "command"
command = ["$dir/command.sh", "$dir/command.ids"]
events = ["NewFileUpload"]
timeout = "2s"
TOML
mkdir "$dir/state"
chmod 700 "$dir/state"
"$binary" --config "$dir/config.toml" 2>"$dir/relay.log" &
relay=$!
children+=("$relay")

status() { awk -v key="$1:" '$1 == key { print $2 }' "/proc/$relay/status"; }
# Processor time so far, in hundredths of a second.
cpu() { sed 's/.*) //' "/proc/$relay/stat" | awk -v hz="$(getconf CLK_TCK)" '{ print int(($12 + $13) * 100 / hz) }'; }
zombies() {
    # A process may end while it is looked at.
    { cat /proc/[0-9]*/stat 2>/dev/null || true; } | sed 's/.*) //' |
        awk -v parent="$relay" '$1 == "Z" && $2 == parent { n++ } END { print n + 0 }'
}
# So may a connection.
descriptors() { { find "/proc/$relay/fd" -mindepth 1 2>/dev/null || true; } | wc -l; }
alive() { kill -0 "$relay" 2>/dev/null || fail "the relay has ended"; }

pushed=0
push() {
    python3 "$dir/events.py" "$pushed" "$1" |
        curl -sSf -o "$dir/pushed" --data-binary @- "$vod/_emulator/events"
    pushed=$((pushed + $1))
}

rss=() peaks=() fds=() threads=() idle_cpu=()
printf '%s, %d rounds of %d s busy and %d s idle, %s\n' "$binary" "$rounds" "$busy_seconds" \
    "$idle_seconds" "$mode"
printf '%5s %8s %9s %9s %6s %8s %8s %8s %8s\n' round events RSS_KiB HWM_KiB fds threads zombies \
    busy_cpu idle_cpu
for ((round = 1; round <= rounds; round++)); do
    busy_from=$(cpu) busy_began=${EPOCHREALTIME/./}
    push "$burst"
    alive
    # With connections open and events in flight.
    kill -HUP "$relay"
    end=$((SECONDS + busy_seconds))
    while [ "$SECONDS" -lt "$end" ]; do
        push "$trickle"
        sleep 1
        alive
    done
    busy=$((($(cpu) - busy_from) * 1000000 / (${EPOCHREALTIME/./} - busy_began)))
    # What the trickle left is done in the first half of the idle.
    sleep $((idle_seconds / 2))
    idle_from=$(cpu) idle_began=${EPOCHREALTIME/./}
    sleep $((idle_seconds - idle_seconds / 2))
    alive
    idle=$((($(cpu) - idle_from) * 1000000 / (${EPOCHREALTIME/./} - idle_began)))
    dead=$(zombies)
    rss+=("$(status VmRSS)") peaks+=("$(status VmHWM)") threads+=("$(status Threads)")
    fds+=("$(descriptors)") idle_cpu+=("$idle")
    printf '%5d %8d %9d %9d %6d %8d %8d %7d%% %7d%%\n' "$round" "$pushed" "${rss[-1]}" \
        "${peaks[-1]}" "${fds[-1]}" "${threads[-1]}" "$dead" "$busy" "$idle"
    [ "$dead" -eq 0 ] || fail "$dead zombies after the idle of round $round"
done

# All that was pushed must get everywhere.
uploads=$(((pushed + 9) / 10))
confirmed=0 webhook=0 file=0 command=0
for _ in $(seq 60); do
    confirmed=$(curl -sSf "$vod/_emulator/state" |
        python3 -c 'import json, sys; print(json.load(sys.stdin)["counts"]["confirmed"])')
    webhook=$(sort -u "$dir/webhook.ids" | wc -l)
    file=$(sort -u "$dir"/events*.jsonl* | wc -l)
    command=$(sort -u "$dir/command.ids" | wc -l)
    if [ "$confirmed $webhook $file $command" = "$pushed $pushed $pushed $uploads" ]; then break; fi
    sleep 1
done
curl -sSf "$vod/_emulator/state" >"$dir/state.json"
printf 'pushed %d, confirmed %d; webhook %d of %d, file %d of %d, command %d of %d\n' \
    "$pushed" "$confirmed" "$webhook" "$pushed" "$file" "$pushed" "$command" "$uploads"
printf 'deliveries beyond the first: webhook %d, file %d, command %d\n' \
    $(($(wc -l <"$dir/webhook.ids") - webhook)) \
    $(($(cat "$dir"/events*.jsonl* | wc -l) - file)) \
    $(($(wc -l <"$dir/command.ids") - command))
python3 -c '
import json, sys
state = json.load(open(sys.argv[1]))
print("redelivered %d, refused confirms %d, faults %s" % (
    state["counts"]["redelivered"], state["refused_confirms"],
    ", ".join("%s %d" % fault for fault in sorted(state["faults"].items()))))
' "$dir/state.json"
[ "$confirmed $webhook $file $command" = "$pushed $pushed $pushed $uploads" ] ||
    fail "not everything arrived, or not everything was confirmed"

kill -TERM "$relay"
code=0
wait "$relay" || code=$?
[ "$code" -eq 0 ] || fail "the relay ended with exit code $code"

# A quarter of the rounds is for warming up; of the others the first half and the last are compared.
warm=$(((rounds + 3) / 4))
half=$(((rounds - warm) / 2))
most() { printf '%s\n' "$@" | sort -n | tail -n 1; }
wrong=()
flat() {
    local what=$1 bound=$2
    shift 2
    local first last
    first=$(most "${@:warm+1:half}")
    last=$(most "${@:rounds-half+1}")
    printf '%-24s %7d -> %7d (at most %d more)\n' "$what" "$first" "$last" "$bound"
    [ "$last" -le $((first + bound)) ] || wrong+=("$what grew from $first to $last")
}
if [ "$mode" = memory ]; then
    # The ledger in memory grows until it holds 50,000 events, a quarter of a KiB each.
    rss_growth_kib=$((rss_growth_kib + (pushed < 50000 ? pushed : 50000) / 4))
fi
flat 'resident memory (KiB)' "$rss_growth_kib" "${rss[@]}"
flat 'peak memory (KiB)' "$peak_growth_kib" "${peaks[@]}"
flat 'descriptors' "$descriptor_growth" "${fds[@]}"
flat 'threads' "$thread_growth" "${threads[@]}"
most_idle=$(most "${idle_cpu[@]:warm}")
[ "$most_idle" -le "$idle_cpu_max" ] || wrong+=("idle takes $most_idle % of a processor")
[ ${#wrong[@]} -eq 0 ] || fail "$(printf '%s; ' "${wrong[@]}")"
echo "flat"

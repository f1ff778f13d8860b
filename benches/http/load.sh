#!/usr/bin/env bash
# How many tasks a host takes and finishes over HTTP, on disk, from a client of
# its own on the same machine; and how long one takes when nothing else goes on.
#
# It needs wrk (Debian's package `wrk`), curl and the release build:
#   cargo build --release && benches/http/load.sh [SECONDS]
#
# Beside it stands what `cargo bench --bench scheduler -- idle` prints for one
# sync of the same disk.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

seconds=${1:-10}
chimera=$PWD/target/release/chimera
scratch=$(mktemp -d -p target)
trap 'kill "$host" 2>/dev/null; wait "$host" 2>/dev/null; rm -rf "$scratch"' EXIT
host=

if ! command -v wrk >/dev/null; then
    echo "wrk is not here; install Debian's package: apt-get install wrk" >&2
    exit 1
fi

component=$("$chimera" agent build agents/echo)
cat > "$scratch/chimera.toml" <<END
data_dir = "$PWD/$scratch/data"
max_agents = 16
task_queue_capacity = 100000
[agents.echo]
component = "$component"
instances = 16
END
"$chimera" serve --port 0 --config "$scratch/chimera.toml" 2> "$scratch/log" &
host=$!
until url=$(grep -o 'http://[0-9.:]*' "$scratch/log"); do sleep 0.1; done

# A task of 256 bytes, one by one or so many in an array.
script() {
    cat <<END
local task = '{"target_agent_type":"echo","payload":"' .. string.rep("x", 190) .. '"}'
local count = $1
wrk.method = "POST"
wrk.path = "/v1/tasks?wait=30s"
wrk.headers["Content-Type"] = "application/json"
wrk.body = count == 1 and task or "[" .. string.rep(task .. ",", count - 1) .. task .. "]"
done = function(summary, latency, requests)
    local seconds = summary.duration / 1e6
    local failed = summary.errors.status + summary.errors.timeout + summary.errors.read
    io.write(string.format("%9.0f tasks/s   p50 %8.2f ms   p99 %8.2f ms   failed %d\n",
        summary.requests * count / seconds, latency:percentile(50) / 1000,
        latency:percentile(99) / 1000, failed))
end
END
}

load() {
    local words=$1 count=$2 connections=$3
    script "$count" > "$scratch/load.lua"
    printf '%-44s' "$words"
    wrk --threads 1 --connections "$connections" --duration "${seconds}s" --timeout 30s \
        --script "$scratch/load.lua" "$url" | tail -n 1
}

load "warm-up" 1 16
load "one at a time, nothing else going on" 1 1
load "one a request, 64 connections" 1 64
load "one a request, 256 connections" 1 256
load "64 a request, 16 connections" 64 16
load "256 a request, 8 connections" 256 8

# How the host answers for itself while it is busy.
script 64 > "$scratch/busy.lua"
wrk --threads 1 --connections 16 --duration "${seconds}s" --timeout 30s \
    --script "$scratch/busy.lua" "$url" > /dev/null &
busy=$!
printf '%-44s' "/health meanwhile"
wrk --threads 1 --connections 1 --duration "$((seconds - 1))s" --latency "$url/health" |
    awk '/50%/ { p50 = $2 } /99%/ { p99 = $2 } END { print "p50 " p50 "   p99 " p99 }'
wait "$busy"
curl -fsS "$url/scheduler/stats" | grep -o '"tasks":{[^}]*}'

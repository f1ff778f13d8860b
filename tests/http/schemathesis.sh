#!/usr/bin/env bash
# An independent client over the whole API: schemathesis, from PyPI,
# makes requests of what /openapi.json says, good and bad, one by one and in
# sequences. Fails on an answer that the document does not declare, on a panic,
# and where the host's memory does not stay flat.
#
# It needs python3 with venv and the release build:
#   cargo build --release && tests/http/schemathesis.sh [SECONDS]
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

seconds=${1:-600}
# More than caches and the queue's own bounds explain.
most_growth_kb=100000
chimera=$PWD/target/release/chimera
scratch=$(mktemp -d -p target)
trap 'kill "$host" 2>/dev/null; wait "$host" 2>/dev/null; rm -rf "$scratch"' EXIT
host=

python3 -m venv "$scratch/python"
"$scratch/python/bin/pip" install --quiet schemathesis==4.32.0

component=$("$chimera" agent build agents/echo)
cat > "$scratch/chimera.toml" <<END
data_dir = "$PWD/$scratch/data"
task_queue_capacity = 100000
[agents.echo]
component = "$component"
instances = 2
END
"$chimera" serve --port 0 --config "$scratch/chimera.toml" 2> "$scratch/log" &
host=$!
until url=$(grep -o 'http://[0-9.:]*' "$scratch/log"); do sleep 0.1; done

memory() {
    awk '/VmRSS/ { print $2 }' "/proc/$host/status"
}

before=$(memory)
# What is right by the document may be refused for what is in charge, or queued.
# It cannot make a component for /v1/genomes: tests/http/genomes.rs does.
status=0
"$scratch/python/bin/schemathesis" run "$url/openapi.json" --max-examples 400 \
    --phases examples,coverage,fuzzing,stateful --max-time "$seconds" --request-timeout 30 \
    --continue-on-failure --exclude-checks positive_data_acceptance \
    --exclude-path-regex '^/v1/genomes$' || status=$?
after=$(memory)
echo "memory: $before kB before, $after kB after"
if grep -q "panicked" "$scratch/log"; then
    grep "panicked" "$scratch/log" >&2
    status=1
fi
if ((after - before > most_growth_kb)); then
    echo "it grew by more than $most_growth_kb kB" >&2
    status=1
fi
exit "$status"

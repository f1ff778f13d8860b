#!/usr/bin/env bash
# Clients that generators make of /openapi.json, against a running host:
# openapi-python-client's submits, waits, lists, starts and aborts a trial;
# openapi-typescript's types compile. A warning of either generator fails.
#
#   tests/http/clients.sh URL TOKEN CANDIDATE.wasm
#
# The host has agents of the type `variant`; the candidate is another genome of it.
# It needs python3 with venv, and npm.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
url=$1 token=$2 candidate=$3

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
cd "$scratch"

python3 -m venv python
python/bin/pip install --quiet openapi-python-client==0.29.1
python/bin/python - "$url" "$token" <<'END'
import sys, urllib.request
url, token = sys.argv[1:]
request = urllib.request.Request(f"{url}/openapi.json", headers={"Authorization": f"Bearer {token}"})
open("openapi.json", "wb").write(urllib.request.urlopen(request).read())
END

# Formatting the result takes another program, and no reader needs it.
echo "post_hooks: []" > generator.yaml
python/bin/openapi-python-client generate --path openapi.json --meta none \
    --output-path chimera_client --fail-on-warning --config generator.yaml
PYTHONPATH=. python/bin/python "$here/clients.py" "$url" "$token" "$candidate"

npm install --no-audit --no-fund --loglevel=error openapi-typescript@7.13.0 typescript@5.9.3
npx openapi-typescript openapi.json --output chimera.d.ts 2> warnings
if [[ -s warnings ]]; then
    cat warnings >&2
    exit 1
fi
cp "$here/clients.ts" .
npx tsc --noEmit --strict --target es2022 --module nodenext clients.ts

#!/usr/bin/env bash
# From an empty folder to a result, in each language: every command, and the seconds that it took.
#
#   agents/first-result.sh [--verify] [rust|python|js|c|go …]
#
# Compilers and interpreters count as installed: cargo, python3, node with npm, clang for WebAssembly or zig, go.
# What else is needed is one of the commands. Nothing is kept, and no compiled code is taken from an earlier run; pip,
# npm and cargo have their usual caches.
#
# `--verify` also runs each project's own tests and `chimera agent check`, and where cargo-component is installed builds
# with that. These commands are printed and do not count.
#
# A language whose tools are missing is NOT TESTED, and the table says why. Ends with 0 if all were tested, 1 if one
# failed, and otherwise 3.
#
#   CHIMERA   the program (default: chimera, of the PATH)
set -uo pipefail

TASK='{"text": "one two"}'
# The members of the result, sorted: each language writes them in an order of its own.
RESULT=$'"texts_so_far":1\n"words":2'
ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

main() {
    VERIFY=
    if [[ ${1:-} == --verify ]]; then
        VERIFY=yes
        shift
    fi
    [[ $# -gt 0 ]] || set -- rust python js c go
    local language rows=() status=0
    for language in "$@"; do
        declare -F "in_$language" >/dev/null || die "there is no language $language; there are rust, python, js, c and go"
    done
    start
    for language in "$@"; do
        printf '\n=== %s\n' "$language"
        try "$language"
    done
    printf '\n| language | commands | seconds | |\n| --- | --- | --- | --- |\n'
    printf '%s\n' "${rows[@]}"
    return $status
}

# A folder for everything, and `chimera` on the PATH.
start() {
    local chimera
    chimera=$(command -v "${CHIMERA:-chimera}") ||
        die "${CHIMERA:-chimera} is missing; build it (cargo build --release), and name it with CHIMERA"
    chimera=$(realpath "$chimera")
    WORK=$(mktemp -d)
    trap 'rm -rf "$WORK"' EXIT
    mkdir "$WORK/bin"
    ln -s "$chimera" "$WORK/bin/chimera"
    PATH=$WORK/bin:$PATH
    export XDG_DATA_HOME=$WORK/share
    unset CARGO_TARGET_DIR
}

# One language, which becomes a row of the table.
try() {
    count=0 spent=0 output= why=
    mkdir "$WORK/$1"
    cd "$WORK/$1" || die "$WORK is gone"
    if "in_$1"; then
        rows+=("| $1 | $count | $(seconds "$spent") | tested |")
    elif [[ -n $why ]]; then
        echo "NOT TESTED: $why"
        rows+=("| $1 | | | NOT TESTED: $why |")
        [[ $status == 1 ]] || status=3
    else
        echo "FAILED: $1" >&2
        rows+=("| $1 | | | FAILED |")
        status=1
    fi
}

# === Languages. Each ends at the first command that fails.

in_rust() {
    timed "chimera agent new --lang rust first --sdk '$ROOT/guest-sdk'" && result &&
        verified "cd first && cargo test --quiet" "chimera agent check first" || return
    command -v cargo-component >/dev/null || return 0
    verified "cd first && cargo component build --quiet --release" \
        "chimera agent check first/target/wasm32-wasip1/release/first.wasm"
}

in_python() {
    timed "chimera agent new --lang python first" &&
        needs "python3 -m venv first/.venv" &&
        needs "first/.venv/bin/pip install --quiet componentize-py==0.25.1" && result &&
        verified "cd first && python3 -m unittest discover src" "chimera agent check first"
}

in_js() {
    timed "chimera agent new --lang js first" && result &&
        verified "cd first && npm test --silent" "chimera agent check first"
}

in_c() {
    timed "chimera agent new --lang c first" && result &&
        verified "make --silent -C first test" "chimera agent check first"
}

# Its component needs a module that not every network lets through; its logic does not.
in_go() {
    timed "chimera agent new --lang go first" || return
    if command -v go >/dev/null; then
        verified "cd first && go test ./words" || return
    fi
    result && verified "chimera agent check first"
}

# === Commands

# The command that builds and runs, and whose output is the result.
result() {
    timed "chimera run first --task '$TASK'" || return
    [[ $(tr -d ' \n{}' <<<"$output" | tr ',' '\n' | sort) == "$RESULT" ]] || {
        echo "not the result: $output" >&2
        return 1
    }
}

# One that installs something. If it cannot, that says nothing about agents.
needs() {
    timed "$1" || {
        why="\`$1\` failed: $(tail -n 1 "$WORK/errors")"
        return 1
    }
}

# A command that counts. What it prints on standard output is kept.
timed() {
    local began=$EPOCHREALTIME took ended
    echo "\$ $1"
    output=$(bash -c "$1" 2>"$WORK/errors")
    ended=$?
    took=$(((${EPOCHREALTIME/[.,]/} - ${began/[.,]/}) / 1000))
    cat "$WORK/errors" >&2
    # The program's own words for a tool that is not there.
    [[ $ended == 0 ]] || why=$(sed -n 's/^error: \(.* is missing, and agents in .*\)/\1/p' "$WORK/errors")
    count=$((count + 1)) spent=$((spent + took))
    printf '  %s s\n' "$(seconds "$took")"
    return $ended
}

# Commands that do not count, when they are asked for.
verified() {
    [[ -n $VERIFY ]] || return 0
    local command
    for command in "$@"; do
        echo "\$ ($command)"
        bash -c "$command" || return
    done
}

seconds() {
    printf '%d.%d' $(($1 / 1000)) $(($1 % 1000 / 100))
}

die() {
    echo "$*" >&2
    exit 2
}

main "$@"

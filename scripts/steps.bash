# Read by the other scripts, not run: where the cache lies, and how a long step is shown.
#
# `step EXPECTED WHAT COMMAND…` runs COMMAND with its output in a log. On a terminal one line shows the
# elapsed time and the log's last line; elsewhere a line a half minute shows that the step is alive.
# When it fails, the end of the log is printed and its path: nothing that went wrong is hidden.
set -euo pipefail

root="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
cache="${SALV_CACHE:-${XDG_CACHE_HOME:-${HOME:?neither SALV_CACHE nor HOME is set}/.cache}/salv}"
mkdir -p "$cache/log"
cache="$(cd "$cache" && pwd)"
export SALV_CACHE="$cache"
export CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-$cache/target}"

if [[ -t 2 && -z "${NO_COLOR:-}" ]]; then
    bold=$'\e[1m' red=$'\e[31m' plain=$'\e[0m'
else
    bold='' red='' plain=''
fi

say() { printf '%s\n' "${bold}$*${plain}" >&2; }

die() {
    printf '%s\n' "${red}error:${plain} $1" >&2
    shift
    for line in "$@"; do printf '       %s\n' "$line" >&2; done
    exit 1
}

# What `step` shows beside the time. slang's C++ is most of a first build and cargo is silent while it
# compiles: then its objects are counted.
step_detail() {
    local line objects=0
    line="$(tail -c 400 "$1" | tr '\r' '\n' | grep -v '^[[:space:]]*$' | tail -n 1 | sed 's/^ *//' | cut -c 1-70 || true)"
    if [[ "$line" == *Compiling* && "$line" != *"Compiling salv "* ]]; then
        objects="$(find "$CARGO_TARGET_DIR/release/build" -path '*/sv-lang-sys-*/out/*.o' \
            -newermt "@$step_epoch" 2>/dev/null | wc -l)"
    fi
    if ((objects > 0)); then line="slang: $objects of about 150 C++ files compiled"; fi
    printf '%s' "$line"
}

step_pid=''
trap 'if [[ -n "$step_pid" ]]; then kill "$step_pid" 2>/dev/null || true; fi' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

step() {
    local expected="$1" what="$2" log started seconds status=0
    shift 2
    log="$(mktemp "$cache/log/step.XXXXXX")"
    started=$SECONDS
    step_epoch="$(date +%s)"
    step_shown=-1
    say "$what${expected:+ ($expected)}"
    "$@" </dev/null >"$log" 2>&1 &
    step_pid=$!
    while kill -0 "$step_pid" 2>/dev/null; do
        step_show "$log" "$((SECONDS - started))"
        sleep 0.2
    done
    wait "$step_pid" || status=$?
    step_pid=''
    seconds=$((SECONDS - started))
    if [[ -t 2 ]]; then printf '\r\e[K' >&2; fi
    if ((status != 0)); then
        tail -n 40 "$log" >&2
        die "failed to finish in $seconds s: $what" "command: $*" "whole output: $log"
    fi
    rm -f "$log"
    printf '  done in %d s\n' "$seconds" >&2
}

step_show() {
    local log="$1" seconds="$2"
    if ((seconds == step_shown)); then return 0; fi
    step_shown=$seconds
    if [[ -t 2 ]]; then
        printf '\r\e[K  %4d s  %s' "$seconds" "$(step_detail "$log")" >&2
    elif ((seconds > 0 && seconds % 30 == 0)); then
        printf '  %4d s  %s\n' "$seconds" "$(step_detail "$log")" >&2
    fi
}

# `as_root COMMAND…` runs COMMAND as root if that needs no password; otherwise it returns 1.
can_be_root() { [[ "$(id -u)" == 0 ]] || { command -v sudo >/dev/null && sudo -n true 2>/dev/null; }; }
as_root() {
    if [[ "$(id -u)" == 0 ]]; then "$@"; else sudo -n "$@"; fi
}

# Installs Debian packages without a question; refreshes the lists only if they do not know a package.
apt_install() {
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "$@" && return 0
    as_root apt-get update
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "$@"
}

# Builds the program, and the trainer where setup has fetched LibTorch (or LIBTORCH names one): two commands, so
# that `salv` is not linked with it. On a terminal cargo shows its own progress.
build_salv() {
    local expected="about 15 minutes on 2 cores the first time, because slang is C++; then seconds"
    cd "$root"
    cargo_build "$expected" "building salv into $CARGO_TARGET_DIR" --bin salv
    if has_libtorch; then
        export LIBTORCH="${LIBTORCH:-$root/.salv/libtorch}"
        cargo_build "about two minutes the first time" "building salv-train" --features train --bin salv-train
    fi
}

has_libtorch() { [[ -n "${LIBTORCH:-}" || -e "$root/.salv/libtorch/include" ]]; }

cargo_build() {
    local expected="$1" what="$2"
    shift 2
    if [[ -t 2 ]]; then
        say "$what ($expected)"
        cargo build --release --locked "$@"
    else
        step "$expected" "$what" cargo build --release --locked "$@"
    fi
}

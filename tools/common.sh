# Shared by ./setup and ./check: where downloads are kept, and how they are fetched and proven.
# Sourced, not run; the caller has set -euo pipefail and stands in the repository's root.

say() { printf '%s\n' "==> $*" >&2; }
die() {
    printf '%s\n' "error: $1" >&2
    shift
    for line in "$@"; do printf '%s\n' " next: $line" >&2; done
    exit 1
}

cache=${XDG_CACHE_HOME:-${HOME:?HOME is not set}/.cache}/llmsql
downloads=$cache/downloads

case $(uname -m) in
x86_64) arch=x64 ;;
aarch64) arch=arm64 ;;
*) arch=$(uname -m) ;;
esac

# need COMMAND WHAT-TO-DO
need() {
    command -v "$1" >/dev/null 2>&1 || die "$1 is not installed" "$2"
}

is_root() { [ "$(id -u)" -eq 0 ]; }

# has_sum FILE SHA256: whether the file is there and has the sum.
has_sum() {
    [ -f "$1" ] && [ "$(sha256sum <"$1" | cut -d' ' -f1)" = "$2" ]
}

# fetch_npm PACKAGE VERSION SHA256: sets $fetched to the package's tarball, proven by its sum.
fetch_npm() {
    local name=${1#@}
    fetched=$downloads/${name//\//-}-$2.tgz
    has_sum "$fetched" "$3" && return
    need npm "install npm (on Debian: apt-get install npm)"
    say "fetching $1 $2"
    mkdir -p "$downloads"
    npm pack --silent --pack-destination "$downloads" "$1@$2" >/dev/null ||
        die "npm cannot fetch $1 $2" "check the network and npm's registry setting (npm ping), then run this again"
    has_sum "$fetched" "$3" ||
        die "$fetched has not the expected SHA-256 $3" "remove the file and run this again; if it stays, do not use the package"
}

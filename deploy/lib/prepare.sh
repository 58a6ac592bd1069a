# shellcheck shell=bash
# Prepares a Debian or Ubuntu machine for Thaw: packages, Rust, dockerd, and the programs of this checkout.
#
# Sourced by deploy/quickstart, tests/run and .ci/run, which set -euo pipefail themselves. Every function may be called
# again: what is there already is left as it is.

ROOT=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/../.." && pwd)
readonly ROOT

# As in Cargo.toml.
readonly RUST_WANTED=1.90

# The oldest kernel with mount_setattr(2), by which packages become read-only before a sandbox sees them.
readonly LINUX_WANTED=5.12

# dockerd is up in a second or two; on a busy machine with many images it takes longer.
readonly DOCKERD_SECONDS=60

# The engine that thawd talks to.
DOCKER_SOCKET=${THAW_DOCKER_SOCKET:-/var/run/docker.sock}

# What a dockerd that these scripts started is known by. A machine's own dockerd has no such file.
readonly DOCKERD_PID_FILE=/run/thaw-dockerd.pid
readonly DOCKERD_LOG=/var/log/thaw-dockerd.log

if [[ -t 1 && -z ${NO_COLOR:-} ]]; then
    _bold=$'\e[1m' _red=$'\e[31m' _plain=$'\e[0m'
else
    _bold='' _red='' _plain=''
fi

# A line for each thing that is about to take time.
step() {
    printf '%s==> %s%s\n' "$_bold" "$*" "$_plain"
}

note() {
    printf '    %s\n' "$*"
}

# What went wrong, and what to do: one line each.
die() {
    printf '%serror: %s%s\n' "$_red" "$1" "$_plain" >&2
    shift
    if (($#)); then
        printf '       %s\n' "$@" >&2
    fi
    exit 1
}

# Whether version $1 is at least version $2.
is_at_least() {
    [[ $(printf '%s\n%s\n' "$2" "$1" | sort -V | head -n 1) == "$2" ]]
}

# Goes on as root: containers, mounts and cgroups need it. Call as: become_root "$0" "$@"
become_root() {
    ((EUID == 0)) && return
    command -v sudo >/dev/null || die "this needs root, and there is no sudo" "Run it as root: su -c '$*'"
    # What a machine behind a proxy needs on the way to its packages.
    exec sudo --preserve-env=http_proxy,https_proxy,no_proxy,HTTP_PROXY,HTTPS_PROXY,NO_PROXY,SSL_CERT_FILE,NO_COLOR \
        -- "$@"
}

require_linux() {
    [[ $(uname -s) == Linux ]] || die "Thaw runs on Linux; this is $(uname -s)"
    is_at_least "$(uname -r)" "$LINUX_WANTED" ||
        die "Linux $(uname -r) is older than $LINUX_WANTED" "Upgrade the kernel; Debian 12 and Ubuntu 22.04 have a newer one."
    case $(uname -m) in
        x86_64 | aarch64) ;;
        *) die "Thaw is made for x86_64 and aarch64; this is $(uname -m)" ;;
    esac
}

# ---- Packages

_apt_updated=

apt_get() {
    # Nobody is there to answer questions, and another apt may be at work, as on a machine that has just booted.
    DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=300 -o Acquire::Retries=3 -qq "$@" </dev/null
}

# Installs Debian packages. The lists are fetched first, and only then: a machine that has everything is not made to wait.
apt_install() {
    command -v apt-get >/dev/null || die "these programs are missing, and there is no apt-get: $*" \
        "Install them by your system's own means, then run this again."
    step "installing $*"
    if [[ -z $_apt_updated ]]; then
        # A broken source of someone else must not be in the way of Debian's own.
        apt_get update || note "apt-get update had problems; going on with what it found"
        _apt_updated=yes
    fi
    apt_get install --no-install-recommends -y "$@" ||
        die "apt-get could not install: $*" "See above. With the sources in order ('apt-get update'), run this again."
}

# Whether a linker and C library are there to build against: the compiler alone is not enough.
can_link() {
    command -v cc >/dev/null && echo 'int main(void){return 0;}' | cc -x c -static - -o /dev/null 2>/dev/null
}

# What thawd needs to run, and cargo to build it.
install_packages() {
    local missing=()
    command -v dockerd >/dev/null || docker_answers || missing+=(docker.io)
    command -v mmdebstrap >/dev/null || missing+=(mmdebstrap)
    [[ -e /usr/share/keyrings/debian-archive-keyring.gpg ]] || missing+=(debian-archive-keyring)
    command -v mkfs.ext4 >/dev/null || missing+=(e2fsprogs)
    [[ -s /etc/ssl/certs/ca-certificates.crt ]] || missing+=(ca-certificates)
    can_link || missing+=(gcc libc6-dev)
    # Docker refuses to start containers on a kernel with AppArmor if it can't load its profile.
    if [[ $(cat /sys/module/apparmor/parameters/enabled 2>/dev/null) == Y ]] && ! command -v apparmor_parser >/dev/null; then
        missing+=(apparmor)
    fi
    if ((${#missing[@]})); then
        apt_install "${missing[@]}"
    fi
    # Newer releases have it in a package of its own, older ones in docker.io.
    command -v docker >/dev/null || apt_install docker-cli
}

# ---- Rust

# Finds cargo, also where rustup has put it and a shell as root does not look; installs it if it can be had from Debian's
# packages, and else says how.
require_rust() {
    local home
    for home in "${HOME:-/root}" "$(sudo_home)"; do
        if ! command -v cargo >/dev/null && [[ -n $home && -x $home/.cargo/bin/cargo ]]; then
            PATH="$home/.cargo/bin:$PATH"
            # The toolchains are the user's, what cargo downloads is root's.
            export RUSTUP_HOME="${RUSTUP_HOME:-$home/.rustup}"
        fi
    done
    rust_is_new_enough && return
    if ! command -v rustup >/dev/null && ! command -v cargo >/dev/null && command -v apt-cache >/dev/null; then
        # On Debian 13 and Ubuntu 24.04 and newer.
        if apt-cache policy rustup 2>/dev/null | grep "Candidate: [0-9]" >/dev/null; then
            apt_install rustup
            step "installing Rust"
            rustup --quiet toolchain install stable --profile minimal --component rustfmt --component clippy
            rustup --quiet default stable
            rust_is_new_enough && return
        fi
    fi
    local found='no Rust'
    command -v cargo >/dev/null && found=$(cargo --version 2>/dev/null || echo 'a cargo without a toolchain')
    die "Rust $RUST_WANTED or newer is needed to build Thaw; there is $found" \
        "Debian's own is older. Install the current one as https://rustup.rs says:" \
        "    curl --proto '=https' --tlsv1.2 -sSf https://sh.rustup.rs | sh -s -- -y --profile minimal" \
        "or, where rustup is installed already: rustup update stable. Then run this again."
}

rust_is_new_enough() {
    local version
    version=$(cd -- "$ROOT" && cargo --version 2>/dev/null | cut -d' ' -f2) && is_at_least "${version:-0}" "$RUST_WANTED"
}

sudo_home() {
    [[ -z ${SUDO_USER:-} ]] || getent passwd "$SUDO_USER" | cut -d: -f6
}

# Runs cargo in this checkout. A checkout that belongs to somebody keeps belonging to him.
build() {
    local status=0
    (cd -- "$ROOT" && cargo "$@") || status=$?
    [[ ! -d $ROOT/target ]] || chown -R --reference="$ROOT" "$ROOT/target"
    ((status == 0)) || die "cargo $1 failed" "See above."
}

# The first process of sandboxes. Static, so that it runs in any image, and built apart: built with the workspace it would
# not be.
build_init() {
    build rustc --quiet -p thaw-init --bin thaw-init --release -- -C target-feature=+crt-static
}

# A function in Rust for tests and the benchmark: static, so that it runs on whatever C library an image has.
build_rust_echo() {
    build rustc --quiet -p rust-echo --bin rust-echo --release -- -C target-feature=+crt-static
}

# ---- dockerd

docker_answers() {
    command -v docker >/dev/null && docker_cli version --format '{{.Server.Version}}' >/dev/null 2>&1
}

docker_cli() {
    docker --host "unix://$DOCKER_SOCKET" "$@"
}

# Starts dockerd if nothing answers on its socket: by systemd where that runs, else as a plain process.
start_dockerd() {
    if docker_answers; then
        return
    fi
    step "starting dockerd"
    if [[ -d /run/systemd/system ]] && systemctl cat docker.service >/dev/null 2>&1; then
        systemctl start docker || die "systemd could not start docker" "See: journalctl -u docker -n 50"
        wait_for_dockerd '' || die "docker.service runs, but does not answer on $DOCKER_SOCKET" \
            "See: journalctl -u docker -n 50; or name its socket: THAW_DOCKER_SOCKET=PATH"
        return
    fi
    mount_cgroups
    # Its child processes find their programs by PATH, which a bare machine may have short.
    PATH="$PATH:/usr/sbin:/sbin"
    : >"$DOCKERD_LOG"
    spawn_dockerd
    if ! wait_for_dockerd "$(cat "$DOCKERD_PID_FILE")" && grep -qiE 'iptables|nftables|bridge|NAT chain' "$DOCKERD_LOG"; then
        # Sandboxes have no network and builds use the host's: Docker's bridge is not needed for anything here.
        note "this kernel has no bridges or packet filter for Docker; trying without"
        stop_dockerd
        spawn_dockerd --bridge=none --iptables=false --ip6tables=false
        wait_for_dockerd "$(cat "$DOCKERD_PID_FILE")" || true
    fi
    if ! docker_answers; then
        tail -n 20 "$DOCKERD_LOG" >&2
        stop_dockerd
        die "dockerd does not come up" "Its last words are above, all of them in $DOCKERD_LOG."
    fi
}

spawn_dockerd() {
    setsid dockerd --host "unix://$DOCKER_SOCKET" "$@" </dev/null >>"$DOCKERD_LOG" 2>&1 &
    echo $! >"$DOCKERD_PID_FILE"
    disown
}

# Waits until dockerd answers; not longer than the process $1 lives, if one is given.
wait_for_dockerd() {
    local tries
    for ((tries = 0; tries < DOCKERD_SECONDS * 5; tries++)); do
        docker_answers && return
        [[ -z $1 || -d /proc/$1 ]] || return 1
        sleep 0.2
    done
    return 1
}

# Ends the dockerd that start_dockerd started as a plain process, and no other. It ends its containers and containerd.
stop_dockerd() {
    end_process "$DOCKERD_PID_FILE" dockerd 30
}

# A machine without an init system may not have mounted its cgroups; neither Docker nor thawd can do without.
mount_cgroups() {
    if ! grep -qE ' cgroup2? ' /proc/mounts; then
        mkdir -p /sys/fs/cgroup
        mount -t cgroup2 cgroup2 /sys/fs/cgroup ||
            die "no cgroup is mounted, and cgroup2 could not be mounted on /sys/fs/cgroup" \
                "Containers have no limits without. Is this itself a container? It must be privileged then."
    fi
}

# ---- Processes

# Ends the process whose id is in file $1, if it is still the program named $2, and waits $3 seconds for it.
end_process() {
    local file=$1 name=$2 seconds=$3 pid tries
    [[ -f $file ]] || return 0
    pid=$(cat "$file")
    if [[ $pid =~ ^[0-9]+$ && $(cat "/proc/$pid/comm" 2>/dev/null) == "$name" ]]; then
        kill -TERM "$pid"
        for ((tries = 0; tries < seconds * 10; tries++)); do
            is_running "$pid" || break
            sleep 0.1
        done
        if is_running "$pid"; then
            note "$name (process $pid) did not end within $seconds s; killing it"
            kill -KILL "$pid"
        fi
    fi
    rm -f -- "$file"
}

# Whether a process is there and no zombie, which a plain `kill -0` can't tell.
is_running() {
    [[ -r /proc/$1/stat && $(sed 's/.*) //' "/proc/$1/stat" 2>/dev/null | cut -c1) != [ZX] ]]
}

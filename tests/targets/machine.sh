#!/bin/sh
# Sets up what tests/targets tries for real, from packages of Debian: sshd on loopback with throwaway keys, accounts
# with other login shells, sudo to a second account, a container of podman. `machine.sh stop` ends the two servers.
# It is for a machine that may be thrown away (CI): it adds packages and accounts, and needs root.
set -eu
BASE=${CORPUS_TARGETS:-/var/tmp/corpus-backfill-targets}
PORT=${CORPUS_TARGETS_PORT:-22722}
podman="podman --root $BASE/pod --runroot $BASE/podrun --storage-driver vfs --runtime runc --cgroup-manager=cgroupfs"

stop() {
    [ -f "$BASE/sshd.pid" ] && kill "$(cat "$BASE/sshd.pid")" 2>/dev/null || true
    command -v podman >/dev/null && $podman rm -f -t 0 corpus-target >/dev/null 2>&1 || true
    rm -f "$BASE/ready"
}

if [ "${1:-}" = stop ]; then stop; exit; fi
[ "$(id -u)" = 0 ] || { echo "make targets: needs root" >&2; exit 1; }
missing=
for program in sshd:openssh-server ssh:openssh-client podman:podman runc:runc sudo:sudo fish:fish tcsh:tcsh python3:python3; do
    PATH=$PATH:/usr/sbin command -v "${program%%:*}" >/dev/null || missing="$missing ${program##*:}"
done
[ -x /usr/bin/python3 ] || missing="$missing python3"
if [ -n "$missing" ]; then
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing >/dev/null
fi
stop
mkdir -p "$BASE/bin" /run/sshd
chmod 755 "$BASE"

# Accounts: a plain one whose files print, one that logs in with fish, one with csh.
account() { id "$1" >/dev/null 2>&1 || useradd --create-home --password '*' --shell "$2" "$1"; }
account corpus-bash /bin/bash
account corpus-fish "$(command -v fish)"
account corpus-csh "$(command -v tcsh)"
echo 'echo "Welcome to prod!"; printf "\033[31mMOTD\033[0m no newline"; echo oops >&2' >/home/corpus-bash/.bashrc
mkdir -p /home/corpus-fish/.config/fish
echo 'echo Fish says hello' >/home/corpus-fish/.config/fish/config.fish
chown -R corpus-fish: /home/corpus-fish/.config
echo 'echo "csh greets"' >/home/corpus-csh/.cshrc

# sshd, its keys and those of the client.
for key in host client; do
    [ -f "$BASE/$key" ] || ssh-keygen -q -t ed25519 -N '' -f "$BASE/$key"
done
cp "$BASE/client.pub" "$BASE/authorized_keys"
chmod 644 "$BASE/authorized_keys"
echo "[127.0.0.1]:$PORT $(cut -d' ' -f1,2 "$BASE/host.pub")" >"$BASE/known_hosts"
cat >"$BASE/sshd_config" <<EOF
Port $PORT
ListenAddress 127.0.0.1
HostKey $BASE/host
PidFile $BASE/sshd.pid
AuthorizedKeysFile $BASE/authorized_keys
StrictModes no
UsePAM no
PasswordAuthentication no
KbdInteractiveAuthentication no
PermitRootLogin prohibit-password
ExposeAuthInfo yes
MaxStartups 100
MaxSessions 100
SetEnv PATH=$BASE/bin:/usr/local/bin:/usr/bin:/bin:/usr/sbin
EOF
cat >"$BASE/ssh_config" <<EOF
Host box
    HostName 127.0.0.1
    Port $PORT
    IdentityFile $BASE/client
    IdentitiesOnly yes
    UserKnownHostsFile $BASE/known_hosts
    StrictHostKeyChecking yes
Host stranger
    HostName 127.0.0.1
    Port $PORT
    IdentityFile $BASE/client
    UserKnownHostsFile /dev/null
    StrictHostKeyChecking yes
EOF
printf '#!/bin/sh\nexec /usr/bin/ssh -F %s/ssh_config "$@"\n' "$BASE" >"$BASE/bin/ssh"
printf '#!/bin/sh\nexec /usr/bin/%s "$@"\n' "$podman" >"$BASE/bin/podman"
chmod 755 "$BASE/bin/ssh" "$BASE/bin/podman"
/usr/sbin/sshd -f "$BASE/sshd_config" -E "$BASE/sshd.log"

# A container with this machine's Python, and a volume.
if ! $podman image exists corpus-target 2>/dev/null; then
    root=$(mktemp -d)
    mkdir -p "$root/tmp" "$root/etc" "$root/root" "$root/usr/lib" "$root/var/lib/state"
    python=$(readlink -f /usr/bin/python3)
    version=$(basename "$python")
    programs="$python $(command -v sh) $(command -v sleep) $(command -v cat) $(command -v ps)"
    {
        for program in $programs "/usr/lib/$version"/lib-dynload/*.so; do
            readlink -f "$program"
            ldd "$program" 2>/dev/null | grep -o '/[^ ]*' || true
        done
    } | sort -u | while read -r file; do
        mkdir -p "$root$(dirname "$file")"
        cp -L "$file" "$root$file"
    done
    cp -a "/usr/lib/$version" "$root/usr/lib/"
    mkdir -p "$root/bin" "$root/usr/bin"
    cp -L "$python" "$root/usr/bin/python3"
    cp -L "$(command -v sh)" "$root/bin/sh"
    for name in sleep cat ps; do cp -L "$(command -v $name)" "$root/bin/$name"; done
    echo 'root:x:0:0:root:/root:/bin/sh' >"$root/etc/passwd"
    tar -C "$root" -c . | $podman import - corpus-target >/dev/null
    rm -rf "$root"
fi
mkdir -p "$BASE/volume"
$podman run -d --name corpus-target --network=none --ulimit nofile=20000:20000 --ulimit nproc=1000:1000 \
    -v "$BASE/volume:/var/lib/state" -e PATH=/usr/bin:/bin corpus-target sleep 1000000 >/dev/null
touch "$BASE/ready"
echo "ready: $BASE"

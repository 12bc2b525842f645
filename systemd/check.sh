#!/bin/sh
# Checks the shipped units: every key is known, the system unit is as hardened as promised, and
# the user is created. Installs nothing and touches nothing outside of a temporary folder.
# Exits with 1 when a check fails, also when systemd's tools are not there.
set -eu

here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
exposure_max=15 # 1.5: systemd-analyze counts tenths

for tool in systemd-analyze systemd-sysusers; do
    if ! command -v "$tool" >/dev/null 2>&1; then
        echo "check.sh: $tool is not installed; the units were NOT checked" >&2
        exit 1
    fi
done

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
failed=0

report() {
    if [ "$1" -eq 0 ]; then
        echo "ok      $2"
    else
        echo "FAILED  $2" >&2
        failed=1
    fi
}

# Verification insists that the program exists, so a program that does stands in for it.
for unit in crossguard.service crossguard-user.service crossguard-watch.service; do
    sed 's#/usr/bin/crossguard#/bin/true#g' "$here/$unit" >"$scratch/$unit"
done

status=0
systemd-analyze verify --man=no --recursive-errors=no "$scratch/crossguard.service" || status=$?
report "$status" "crossguard.service: every key is known"

cp "$here/crossguard.socket" "$here/crossguard-admin.socket" "$scratch/"
status=0
systemd-analyze verify --man=no --recursive-errors=no "$scratch/crossguard.socket" \
    "$scratch/crossguard-admin.socket" || status=$?
report "$status" "crossguard.socket, crossguard-admin.socket: every key is known"

mkdir -m 700 "$scratch/runtime"
for unit in crossguard-user.service crossguard-watch.service; do
    status=0
    XDG_RUNTIME_DIR="$scratch/runtime" systemd-analyze --user verify --man=no \
        --recursive-errors=no "$scratch/$unit" || status=$?
    report "$status" "$unit: every key is known"
done

# A key that is not known must be noticed, or the checks above mean nothing.
sed 's/^ProtectClock=/ProtectClok=/' "$scratch/crossguard.service" >"$scratch/typo.service"
sed 's/^SocketMode=/SocketMod=/' "$scratch/crossguard-admin.socket" >"$scratch/typo.socket"
status=0
for unit in typo.service typo.socket; do
    if systemd-analyze verify --man=no --recursive-errors=no "$scratch/$unit" >/dev/null 2>&1; then
        status=1
    fi
done
report "$status" "a misspelt key is noticed"

status=0
systemd-analyze security --offline=yes --no-pager --threshold="$exposure_max" \
    "$here/crossguard.service" >"$scratch/exposure" 2>&1 || status=$?
tail -n 1 "$scratch/exposure"
report "$status" "crossguard.service: exposure at most 1.5"

status=0
mkdir -p "$scratch/root/etc"
systemd-sysusers --root="$scratch/root" "$here/crossguard.sysusers" || status=$?
for list in passwd group; do
    grep -q '^crossguard:' "$scratch/root/etc/$list" || status=1
done
report "$status" "crossguard.sysusers: user and group are created"

exit "$failed"

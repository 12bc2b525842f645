#!/usr/bin/env bash
# Released clients of other projects against `crossguard sim`: markets, balance, leverage, margin
# type, limit order, amend, cancel, stop, market order, the fill on the user stream, reduce-only close.
# Needs Python 3 with venv and the package registry; `cargo test` does not run this.
#
#   tests/clients/run.sh [CLIENT …]     ccxt_pro, python_binance, official_sdk, connector
#
# CROSSGUARD takes a binary that is already built, CROSSGUARD_CLIENTS a folder for the packages.
set -euo pipefail
here="$(cd "$(dirname "$0")" && pwd)"
root="$(cd "$here/../.." && pwd)"
packages="${CROSSGUARD_CLIENTS:-$root/target/clients}"
clients=("$@")
[ ${#clients[@]} -gt 0 ] || clients=(ccxt_pro python_binance official_sdk connector)

if [ -z "${CROSSGUARD:-}" ]; then
  (cd "$root" && cargo build --locked --quiet --bin crossguard)
  CROSSGUARD="${CARGO_TARGET_DIR:-$root/target}/debug/crossguard"
fi

# Installed once; a changed list is installed again.
if ! cmp -s <(cat "$here"/requirements*.txt) "$packages/installed"; then
  rm -rf "$packages/venv" "$packages/connector"
  python3 -m venv "$packages/venv"
  pip=("$packages/venv/bin/python" -m pip install --quiet --disable-pip-version-check)
  "${pip[@]}" --requirement "$here/requirements.txt"
  "${pip[@]}" --target "$packages/connector" --requirement "$here/requirements-connector.txt"
  cat "$here"/requirements*.txt > "$packages/installed"
fi

exchange=""
scratch="$(mktemp -d)"
trap 'if [ -n "$exchange" ]; then kill "$exchange" 2>/dev/null || true; fi; rm -rf "$scratch"' EXIT
failed=()
for client in "${clients[@]}"; do
  # An exchange of its own for each, which says in one line of JSON how to connect.
  mkfifo "$scratch/$client"
  "$CROSSGUARD" sim --seed 7 > "$scratch/$client" &
  exchange=$!
  IFS= read -r announcement < "$scratch/$client"
  path="$here"
  [ "$client" != connector ] || path="$packages/connector:$here"
  if ! CROSSGUARD_SIM="$announcement" PYTHONPATH="$path" PYTHONDONTWRITEBYTECODE=1 NO_PROXY="*" \
    timeout 90 "$packages/venv/bin/python" "$here/$client.py"; then
    failed+=("$client")
  fi
  kill "$exchange" 2>/dev/null || true
  wait "$exchange" 2>/dev/null || true
  exchange=""
done
if [ ${#failed[@]} -gt 0 ]; then
  printf 'failed: %s\n' "${failed[*]}" >&2
  exit 1
fi

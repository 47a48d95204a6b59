#!/usr/bin/env bash
# openpi-client 0.1.1 and 0.1.2 (PyPI, Linux, CPython 3.11): the client of openpi's policy server
# cannot be imported from what `pip install openpi-client` brings. Three of its modules, the client
# itself among them, import `override` from typing_extensions, which none of the requirements of
# the package names or brings along. Where another package has brought it, nothing is noticed.
#
# Seen, for each of the two releases:
#     ModuleNotFoundError: No module named 'typing_extensions'
#     with typing_extensions beside it: WebsocketClientPolicy
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
for release in 0.1.1 0.1.2; do
  python3 -m venv "$folder/$release"
  python="$folder/$release/bin/python"
  "$python" -m pip install --quiet --disable-pip-version-check "openpi-client==$release"
  ask='from openpi_client.websocket_client_policy import WebsocketClientPolicy as found; print(found.__name__)'
  if told=$("$python" -c "$ask" 2>&1); then
    echo "openpi-client $release: it imports now: $told" >&2
    exit 1
  fi
  tail -n 1 <<<"$told"
  [[ $(tail -n 1 <<<"$told") == "ModuleNotFoundError: No module named 'typing_extensions'" ]]
  "$python" -m pip install --quiet --disable-pip-version-check typing_extensions==4.15.0
  found=$("$python" -c "$ask")
  echo "with typing_extensions beside it: $found"
  [[ $found == WebsocketClientPolicy ]]
done

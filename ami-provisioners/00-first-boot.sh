#!/usr/bin/env bash
#
# Wait until cloud-init has finished the first boot, and make the folders for the uploads. Runs as
# the base image's user, before anything is uploaded.
#
# Needs   nothing
# Leaves  /tmp/raykiln and its folders
# Proof   tests/cloud/test_bake.py

set -o errexit -o nounset -o pipefail
shopt -s inherit_errexit

# SSH answers before cloud-init has finished.
code=0
sudo cloud-init status --wait >/dev/null || code=$?
# 2: it finished, with errors that it recovered from (cloud-init's documentation, "Failure states").
if ((code == 2)); then
  printf 'cloud-init finished with errors that it recovered from:\n'
  sudo cloud-init status --long || true # exits with 2 again
elif ((code != 0)); then
  printf 'FAILED cloud-init did not finish the first boot of the base image:\n' >&2
  sudo cloud-init status --long >&2 || true # exits with the same code
  exit 1
fi

mkdir -m 0700 /tmp/raykiln
for folder in node provisioners systemd wheels additions added-wheels; do
  mkdir "/tmp/raykiln/${folder}"
done

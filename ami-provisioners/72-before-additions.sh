#!/usr/bin/env bash
#
# Record what the image has before anything that a person adds. What differs afterwards is theirs;
# all else must be the base image's or ours.
#
# Needs   UPLOADS
# Leaves  /run/raykiln/before.json, which Packer copies into the image's folder
# Proof   tests/unit/bake/test_image_facts.py, tests/cloud/test_bake.py

# shellcheck source=ami-provisioners/lib.sh
source "${PROVISIONER_LIB:?set by the Packer template}"
need UPLOADS

# Where nothing is added, nothing can differ, and the facts need not be read again.
if [[ -z "$(find "${UPLOADS}/additions" -type f -size +0 ! -name image.env ! -path '*/tests/*')" ]]; then
  cp /run/raykiln/base.json /run/raykiln/before.json
  exit 0
fi
python3 -I "${UPLOADS}/provisioners/facts.py" >/run/raykiln/before.json
chmod 0644 /run/raykiln/before.json

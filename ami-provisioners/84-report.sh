#!/usr/bin/env bash
#
# Record what this image is, and all that is in it.
#
# Needs   UPLOADS ROLE DIGEST RAY_VERSION
# Leaves  /etc/raykiln/image.json and software.json there, and /run/raykiln/inventory.json, which
#         Packer copies into the image's folder
# Proof   tests/image/test_identity.py, tests/image/test_sbom.py

# shellcheck source=ami-provisioners/lib.sh
source "${PROVISIONER_LIB:?set by the Packer template}"
need UPLOADS ROLE DIGEST RAY_VERSION

install -d -m 0755 /etc/raykiln
/opt/ray/bin/python -B "${UPLOADS}/provisioners/report.py" /etc/raykiln
/opt/ray/bin/python -B "${UPLOADS}/provisioners/inventory.py" >/run/raykiln/inventory.json
chmod 0644 /run/raykiln/inventory.json

#!/usr/bin/env bash
#
# Record what this image is, and every package in it.
#
# Needs   UPLOADS ROLE DIGEST RAY_VERSION GIT BUILT
# Leaves  /etc/raykiln/image.json and /etc/raykiln/software.json
# Proof   tests/image/test_identity.py

# shellcheck source=ami-provisioners/lib.sh
source "${PROVISIONER_LIB:?set by the Packer template}"
need UPLOADS ROLE DIGEST RAY_VERSION GIT BUILT

install -d -m 0755 /etc/raykiln
/opt/ray/bin/python -B "${UPLOADS}/provisioners/report.py" /etc/raykiln

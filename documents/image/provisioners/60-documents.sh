#!/usr/bin/env bash
#
# Install the documents application beside Ray's own Python, which has its packages.
#
# Needs   app/ and model/ beside this script
# Leaves  /opt/documents, owned by root, every module compiled
# Proof   documents/image/tests/test_application.py, tests/cloud/test_documents_on_ec2.py

set -o errexit -o nounset -o pipefail

install -d -o root -g root -m 0755 /opt/documents
cp --recursive --no-preserve=all app model /opt/documents/
find /opt/documents -type d -exec chmod 0755 {} +
find /opt/documents -type f -exec chmod 0644 {} +
# In one process and without times of sources: the same bytes in each bake, as 86-reproducible.sh has it.
PYTHONHASHSEED=0 /opt/ray/bin/python -m compileall -q --invalidation-mode unchecked-hash /opt/documents/app

#!/usr/bin/env bash
#
# Install Ray into /opt/ray from hash-checked wheels; no network.
#
# Needs   UPLOADS PYTHON RAY_VERSION
# Leaves  /opt/ray, owned by root; 86-reproducible.sh compiles it
# Proof   tests/image/test_ray.py

# shellcheck source=ami-provisioners/lib.sh
source "${PROVISIONER_LIB:?set by the Packer template}"
need UPLOADS PYTHON RAY_VERSION

interpreter="/usr/bin/python${PYTHON}"
[[ -x "${interpreter}" ]] || die "the base image has no ${interpreter}: set image.python to a version it has"

# Debian and Ubuntu keep ensurepip in a separate package, so pip comes from its wheel.
"${interpreter}" -m venv --clear --without-pip /opt/ray
pip_wheel=("${UPLOADS}"/wheels/pip-*.whl)
PIP_CONFIG_FILE=/dev/null /opt/ray/bin/python -B "${pip_wheel[0]:?no wheel of pip}/pip" install \
  --quiet --no-index --find-links "${UPLOADS}/wheels" --no-deps --require-hashes \
  --no-compile --no-cache-dir --disable-pip-version-check --root-user-action ignore \
  --requirement "${UPLOADS}/requirements.txt"

installed="$(/opt/ray/bin/python -B -c 'import importlib.metadata as m; print(m.version("ray"))')"
[[ "${installed}" == "${RAY_VERSION}" ]] || die "Ray is ${installed}, not ${RAY_VERSION}"

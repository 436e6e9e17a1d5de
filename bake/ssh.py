"""How a fresh instance is asked by SSH, with the key that was made for it. No AWS."""

from pathlib import Path

from bake.fresh_instance import SshAccess

# One connection for all questions takes 0.9 s instead of 7 s. The host is new, so its key is
# unknown. It is a file, because pytest-testinfra 10.2.2 accepts --ssh-extra-args but does not pass
# it on.
SSH_CONFIG = """\
Host *
  ControlMaster auto
  ControlPersist 120s
  ControlPath {folder}/ssh
  IdentityFile {key_file}
  IdentitiesOnly yes
  StrictHostKeyChecking no
  UserKnownHostsFile /dev/null
  LogLevel ERROR
  ConnectTimeout 10
"""


def ssh_config(access: SshAccess) -> Path:
    """Write the configuration beside the key, and return it."""
    folder = access.key_file.parent
    config = folder / "ssh_config"
    config.write_text(SSH_CONFIG.format(folder=folder, key_file=access.key_file))
    return config


def as_root(access: SshAccess, *command: str) -> list[str]:
    """Return a command that runs another as root on the instance."""
    host = f"{access.username}@{access.address}"
    return ["ssh", "-F", str(ssh_config(access)), host, "sudo", *command]

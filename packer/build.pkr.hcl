# One image. The scripts are the same for all; the role decides which units are enabled, and a person may
# add to each image what [images.NAME] of an environment's file says.

build {
  name    = "ray"
  sources = ["source.amazon-ebs.image"]

  provisioner "shell" {
    execute_command = "{{ .Vars }} bash {{ .Path }}"
    script          = "${var.repository}/ami-provisioners/00-first-boot.sh"
  }

  provisioner "file" {
    source      = "${var.repository}/ami-provisioners/"
    destination = "/tmp/raykiln/provisioners"
  }
  provisioner "file" {
    source      = "${var.repository}/systemd/"
    destination = "/tmp/raykiln/systemd"
  }
  provisioner "file" {
    source      = "${var.repository}/node/"
    destination = "/tmp/raykiln/node"
  }
  provisioner "file" {
    source      = "${var.wheels}/"
    destination = "/tmp/raykiln/wheels"
  }
  provisioner "file" {
    source      = var.requirements
    destination = "/tmp/raykiln/requirements.txt"
  }
  provisioner "file" {
    source      = "${var.additions}/"
    destination = "/tmp/raykiln/additions"
  }
  provisioner "file" {
    source      = "${var.added_wheels}/"
    destination = "/tmp/raykiln/added-wheels"
  }

  # Ours.
  provisioner "shell" {
    execute_command  = local.as_root
    environment_vars = local.environment_vars
    scripts = [
      "${var.repository}/ami-provisioners/03-package-jobs.sh",
      "${var.repository}/ami-provisioners/05-baseline.sh",
      "${var.repository}/ami-provisioners/10-user.sh",
      "${var.repository}/ami-provisioners/20-rootfs.sh",
      "${var.repository}/ami-provisioners/30-ray.sh",
      "${var.repository}/ami-provisioners/40-node.sh",
      "${var.repository}/ami-provisioners/50-units.sh",
      "${var.repository}/ami-provisioners/60-ssm-agent.sh",
      "${var.repository}/ami-provisioners/70-environment.sh",
      "${var.repository}/ami-provisioners/72-before-additions.sh",
      "${var.repository}/ami-provisioners/74-packages.sh",
      "${var.repository}/ami-provisioners/76-requirements.sh",
    ]
  }

  # A person's, each run by what its first line names, in the folder that it came from; then ours again.
  provisioner "shell" {
    execute_command  = local.in_their_folder
    environment_vars = local.environment_vars
    scripts = concat(
      [for name in var.scripts : "${var.additions}/provisioners/${name}"],
      [
        "${var.repository}/ami-provisioners/80-added-units.sh",
        "${var.repository}/ami-provisioners/82-after-additions.sh",
        "${var.repository}/ami-provisioners/84-report.sh",
        "${var.repository}/ami-provisioners/86-reproducible.sh",
      ],
    )
  }

  provisioner "file" {
    direction   = "download"
    source      = "/run/raykiln/base.json"
    destination = "${var.output}/base.json"
  }
  provisioner "file" {
    direction   = "download"
    source      = "/run/raykiln/before.json"
    destination = "${var.output}/before.json"
  }
  provisioner "file" {
    direction   = "download"
    source      = "/run/raykiln/after.json"
    destination = "${var.output}/after.json"
  }
  provisioner "file" {
    direction   = "download"
    source      = "/etc/raykiln/software.json"
    destination = "${var.output}/software.json"
  }
  provisioner "file" {
    direction   = "download"
    source      = "/run/raykiln/inventory.json"
    destination = "${var.output}/inventory.json"
  }

  # Last, over the open connection: this removes the key that Packer uses too.
  provisioner "shell" {
    execute_command  = local.as_root
    environment_vars = local.environment_vars
    scripts = [
      "${var.repository}/ami-provisioners/90-clean.sh",
      "${var.repository}/ami-provisioners/99-validate.sh",
    ]
  }

  post-processor "manifest" {
    output = "${var.output}/manifest.json"
  }
}

# Head and worker in parallel, with the same scripts; the role decides which units are enabled.

build {
  name = "ray"

  source "amazon-ebs.ray" {
    name                    = "head"
    ami_name                = "ray-head-${var.stamp}-${substr(var.head_digest, 0, 12)}"
    ami_description         = "Ray ${var.ray_version} head"
    temporary_key_pair_name = "raykiln-bake-head-${var.stamp}"
    run_tags                = merge(local.run_tags, { Name = "raykiln-bake-head" })
    run_volume_tags         = merge(local.run_tags, { Name = "raykiln-bake-head" })
    snapshot_tags           = merge(local.image_tags, { Name = "ray-head", "raykiln:role" = "head", "raykiln:digest" = var.head_digest })
    tags                    = merge(local.image_tags, { Name = "ray-head", "raykiln:role" = "head", "raykiln:digest" = var.head_digest })
  }

  source "amazon-ebs.ray" {
    name                    = "worker"
    ami_name                = "ray-worker-${var.stamp}-${substr(var.worker_digest, 0, 12)}"
    ami_description         = "Ray ${var.ray_version} worker"
    temporary_key_pair_name = "raykiln-bake-worker-${var.stamp}"
    run_tags                = merge(local.run_tags, { Name = "raykiln-bake-worker" })
    run_volume_tags         = merge(local.run_tags, { Name = "raykiln-bake-worker" })
    snapshot_tags           = merge(local.image_tags, { Name = "ray-worker", "raykiln:role" = "worker", "raykiln:digest" = var.worker_digest })
    tags                    = merge(local.image_tags, { Name = "ray-worker", "raykiln:role" = "worker", "raykiln:digest" = var.worker_digest })
  }

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

  provisioner "shell" {
    execute_command = "sudo env {{ .Vars }} bash {{ .Path }}"
    environment_vars = [
      "PROVISIONER_LIB=/tmp/raykiln/provisioners/lib.sh",
      "UPLOADS=/tmp/raykiln",
      "ROLE=${source.name}",
      "PYTHON=${var.python}",
      "RAY_VERSION=${var.ray_version}",
      "SSM_AGENT_REQUIRED=${var.ssm_agent_required}",
      "DIGEST=${source.name == "head" ? var.head_digest : var.worker_digest}",
      "GIT=${var.git}",
      "BUILT=${var.built}",
    ]
    scripts = [
      "${var.repository}/ami-provisioners/03-package-jobs.sh",
      "${var.repository}/ami-provisioners/05-baseline.sh",
      "${var.repository}/ami-provisioners/10-user.sh",
      "${var.repository}/ami-provisioners/20-rootfs.sh",
      "${var.repository}/ami-provisioners/30-ray.sh",
      "${var.repository}/ami-provisioners/40-node.sh",
      "${var.repository}/ami-provisioners/50-units.sh",
      "${var.repository}/ami-provisioners/60-ssm-agent.sh",
      "${var.repository}/ami-provisioners/70-report.sh",
    ]
  }

  provisioner "file" {
    direction   = "download"
    source      = "/run/raykiln/base.json"
    destination = "${var.output}/base-${source.name}.json"
  }
  provisioner "file" {
    direction   = "download"
    source      = "/etc/raykiln/software.json"
    destination = "${var.output}/software-${source.name}.json"
  }

  # Last, over the open connection: this removes the key that Packer uses too.
  provisioner "shell" {
    execute_command = "sudo env {{ .Vars }} bash {{ .Path }}"
    environment_vars = [
      "ROLE=${source.name}",
      "PYTHON=${var.python}",
      "RAY_VERSION=${var.ray_version}",
      "SSM_AGENT_REQUIRED=${var.ssm_agent_required}",
    ]
    scripts = [
      "${var.repository}/ami-provisioners/90-clean.sh",
      "${var.repository}/ami-provisioners/99-validate.sh",
    ]
  }

  post-processor "manifest" {
    output = "${var.output}/manifest.json"
    custom_data = {
      role = source.name
    }
  }
}

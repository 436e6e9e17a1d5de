# The build instance of one image, for current Packer and its amazon plugin. Its options are those of
# https://developer.hashicorp.com/packer/integrations/hashicorp/amazon/latest/components/builder/ebs;
# tests/unit/bake/test_current_template.py holds them to that page.

source "amazon-ebs" "image" {
  ami_name                = "ray-${var.slug}-${var.stamp}-${substr(var.digest, 0, 12)}"
  ami_description         = var.description
  temporary_key_pair_name = "raykiln-bake-${var.slug}-${var.stamp}"
  # Of the instance, its network interface, the key pair and the security group; of the image and its
  # snapshots too, until they have their own: by these the bake role may change them.
  run_tags        = local.run_tags
  run_volume_tags = local.run_tags
  snapshot_tags   = local.image_tags
  tags            = local.image_tags

  imds_support = "v2.0"
  deprecate_at = var.deprecate_at

  region        = var.region
  source_ami    = var.source_ami
  instance_type = var.instance_type
  subnet_id     = var.subnet_id

  associate_public_ip_address           = false
  temporary_security_group_source_cidrs = var.source_cidrs

  # Tokens are required from the launch on, as an account's policy may demand.
  metadata_options {
    http_endpoint               = "enabled"
    http_tokens                 = "required"
    http_put_response_hop_limit = 1
  }

  communicator  = "ssh"
  ssh_interface = "private_ip"
  ssh_username  = var.ssh_username
  ssh_timeout   = var.ssh_timeout

  launch_block_device_mappings {
    device_name = var.root_device
    volume_size = var.volume_gib
    volume_type = "gp3"
    # What gp3 includes at no extra cost.
    iops                  = 3000
    throughput            = 125
    encrypted             = var.encrypted
    kms_key_id            = var.kms_key
    delete_on_termination = true
  }

  # An image may take many minutes; Packer's default timeout fails about one bake in five.
  aws_polling {
    delay_seconds = 1
    max_attempts  = 2400
  }

  shutdown_behavior = "terminate"
}

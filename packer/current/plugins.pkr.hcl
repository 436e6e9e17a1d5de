# Only for Packer 1.7 and later, which no longer includes amazon-ebs; 1.6.6 refuses this block.
# bake/ puts it beside the other files when `packer version` says so.
packer {
  required_plugins {
    amazon = {
      source  = "github.com/hashicorp/amazon"
      version = ">= 1.2.0, < 2.0.0"
    }
  }
}

# Packer 1.7 and later includes no amazon-ebs. 1.3.1 is the first version of the plugin in use with all
# options of the template beside: imds_support came with 1.2.2, deprecate_at soon after.
packer {
  required_plugins {
    amazon = {
      source  = "github.com/hashicorp/amazon"
      version = ">= 1.3.1, < 2.0.0"
    }
  }
}

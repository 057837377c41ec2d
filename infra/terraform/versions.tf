terraform {
  required_version = ">= 1.11.0, < 2.0.0"

  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = "5.100.0"
    }
  }

  # bucket, kms_key_id and region are bootstrap's output, the key is <environment>/terraform.tfstate
  # (docs/runbooks/deployment.md).
  backend "s3" {
    encrypt      = true
    use_lockfile = true
  }
}

# Asks whose credentials these are, and no more: the other provider waits for the checks of variables.tf.
provider "aws" {
  alias  = "credentials"
  region = var.region
}

provider "aws" {
  region              = var.region
  allowed_account_ids = var.account_ids

  default_tags {
    tags = {
      Project     = var.project
      Environment = var.environment
      ManagedBy   = "terraform"
      Repository  = var.github_repository
    }
  }
}

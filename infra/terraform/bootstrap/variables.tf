variable "project" {
  description = "First part of every name."
  type        = string
  default     = "retail-lakehouse"
  nullable    = false

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{2,18}$", var.project))
    error_message = "project has 3 to 19 lower-case letters, digits and hyphens."
  }
}

variable "environment" {
  description = "dev, qa or prod."
  type        = string
  nullable    = false

  validation {
    condition     = contains(["dev", "qa", "prod"], var.environment)
    error_message = "environment is dev, qa or prod."
  }
}

variable "region" {
  description = "AWS region of the environment and of its state."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[a-z]{2}-[a-z]+-[0-9]$", var.region))
    error_message = "region is a region's code, for example eu-central-1."
  }
}

variable "account_ids" {
  description = "Accounts that this may be applied to: the environment's."
  type        = list(string)
  nullable    = false

  validation {
    condition     = length(var.account_ids) > 0 && alltrue([for id in var.account_ids : can(regex("^[0-9]{12}$", id))])
    error_message = "account_ids has the 12 digits of the environment's account: set it in the tfvars (docs/runbooks/deployment.md, step 1)."
  }
}

variable "github_repository" {
  description = "Repository whose workflows plan and apply, as GitHub's tokens name it: owner/name, or owner@id/name@id (docs/runbooks/deployment.md, step 1)."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[A-Za-z0-9][A-Za-z0-9-]*(/[A-Za-z0-9._-]+|@[1-9][0-9]*/[A-Za-z0-9._-]+@[1-9][0-9]*)$", var.github_repository))
    error_message = "github_repository is owner/name or owner@id/name@id, without wildcards."
  }

  validation {
    condition     = !startswith(var.github_repository, "example-org")
    error_message = "github_repository is still the example of the tfvars: set yours, with its number (docs/runbooks/deployment.md, step 1)."
  }

  validation {
    condition     = !strcontains(var.github_repository, "@") || endswith(var.github_repository, "@${var.github_repository_id}")
    error_message = "github_repository ends in another number than github_repository_id."
  }
}

variable "github_repository_id" {
  description = "Number of that repository, which a later repository of the same name does not have."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[1-9][0-9]*$", var.github_repository_id))
    error_message = "github_repository_id is a number: gh api repos/<owner>/<name> --jq .id"
  }
}

variable "create_oidc_provider" {
  description = "Whether to register GitHub as identity provider; an account has one, so only its first environment does."
  type        = bool
  default     = true
  nullable    = false
}

variable "deletion_protection" {
  description = "Whether the applying role is denied to delete what holds data. Always in prod."
  type        = bool
  default     = true
  nullable    = false

  validation {
    condition     = var.deletion_protection || var.environment != "prod"
    error_message = "deletion_protection cannot be switched off in prod."
  }
}

variable "access_log_bucket" {
  description = "Bucket of the account for access logs of the state bucket."
  type        = string
  default     = null
}

variable "existing_kafka_arns" {
  description = "Cluster, topic and group ARNs (with trailing /*) of an existing MSK cluster, when its name is not the environment's."
  type        = list(string)
  default     = []
  nullable    = false
}

variable "existing_redshift_arns" {
  description = "ARNs (cluster, dbname) of an existing Redshift, when its name is not the environment's."
  type        = list(string)
  default     = []
  nullable    = false
}

variable "break_glass_principals" {
  # A role cannot: credentials of AssumeRole say nothing of MFA (IAM User Guide, "Secure API access with MFA").
  description = "ARNs of the IAM users of persons who may take the role break-glass; none: there is no such role."
  type        = list(string)
  default     = []
  nullable    = false

  validation {
    condition     = alltrue([for arn in var.break_glass_principals : can(regex("^arn:aws:iam::[0-9]{12}:user/[A-Za-z0-9+=,.@_/-]+$", arn))])
    error_message = "break_glass_principals are named users (arn:aws:iam::<account>:user/<name>), no account, no wildcard and no role: what a role has taken carries no proof of MFA, which is demanded."
  }

  validation {
    condition = alltrue([
      for arn in var.break_glass_principals : contains(concat(var.break_glass_account_ids, [data.aws_caller_identity.this.account_id]), try(split(":", arn)[4], ""))
    ])
    error_message = "break_glass_principals are of this account, or of one that break_glass_account_ids names."
  }
}

variable "break_glass_account_ids" {
  description = "Other accounts whose users may be among them, for example the one that all persons log in to."
  type        = list(string)
  default     = []
  nullable    = false
}

variable "replica_key_arn" {
  description = "Key of another account that copies of the landing zone are encrypted with (output of the root replica); null: no copy."
  type        = string
  default     = null

  validation {
    condition     = var.replica_key_arn == null || can(regex("^arn:aws:kms:[a-z0-9-]+:[0-9]{12}:key/[a-f0-9-]+$", var.replica_key_arn))
    error_message = "replica_key_arn is the ARN of one key: arn:aws:kms:<region>:<account>:key/<id>."
  }
}

variable "project" {
  description = "First part of every name, as in bootstrap."
  type        = string
  default     = "retail-lakehouse"
  nullable    = false
}

variable "environment" {
  description = "Whose landing zone is copied: dev, qa or prod."
  type        = string
  nullable    = false

  validation {
    condition     = contains(["dev", "qa", "prod"], var.environment)
    error_message = "environment is dev, qa or prod."
  }
}

variable "region" {
  description = "AWS region of the copy; another one than the environment's survives the loss of a region."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[a-z]{2}-[a-z]+-[0-9]$", var.region))
    error_message = "region is a region's code, for example eu-west-1."
  }
}

variable "account_ids" {
  description = "Accounts that this may be applied to; null: any but the environment's own."
  type        = list(string)
  default     = null
}

variable "source_account_id" {
  description = "Account of the environment whose landing zone is copied."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[0-9]{12}$", var.source_account_id))
    error_message = "source_account_id has 12 digits."
  }

  validation {
    condition     = var.source_account_id != data.aws_caller_identity.this.account_id
    error_message = "The credentials are of the environment's own account, ${var.source_account_id}: who may destroy its landing zone would have the copy too. Take those of another account."
  }
}

variable "lock_days" {
  description = "Days that nobody deletes a copied file, not longer than the shortest declared landing_retention_days."
  type        = number
  default     = 90
  nullable    = false

  validation {
    condition     = var.lock_days >= 1 && var.lock_days <= min(values(module.declarations.tables)[*].landing_retention_days...)
    error_message = "lock_days is between 1 and ${min(values(module.declarations.tables)[*].landing_retention_days...)}, the shortest landing_retention_days that is declared: a copy is not kept longer than its record may be."
  }
}

variable "access_log_bucket" {
  description = "Bucket of this account for the copy's access logs; null: none."
  type        = string
  default     = null
}

variable "readers" {
  description = "ARNs of roles of other accounts that may read the copy, for as long as a restore takes; none otherwise."
  type        = list(string)
  default     = []
  nullable    = false

  validation {
    condition     = alltrue([for arn in var.readers : can(regex("^arn:aws:iam::[0-9]{12}:role/[A-Za-z0-9+=,.@_/-]+$", arn))])
    error_message = "readers are named roles (arn:aws:iam::<account>:role/<name>), no account and no wildcard."
  }
}

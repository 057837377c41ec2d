variable "name" {
  description = "Prefix of every name, project and environment: retail-lakehouse-dev."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{2,28}[a-z0-9]$", var.name))
    error_message = "name has 4 to 30 lower-case letters, digits and hyphens and begins with a letter: bucket and role names follow from it."
  }
}

variable "account_id" {
  description = "AWS account whose principals may read the secrets."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[0-9]{12}$", var.account_id))
    error_message = "account_id has 12 digits."
  }
}

variable "kms_key_arn" {
  description = "Key that the secrets are encrypted with."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^arn:aws[a-z-]*:kms:", var.kms_key_arn))
    error_message = "kms_key_arn is the ARN of a KMS key."
  }
}

variable "recovery_window_in_days" {
  description = "Days during which a deleted secret can be restored."
  type        = number
  default     = 30
  nullable    = false

  validation {
    condition     = var.recovery_window_in_days >= 7 && var.recovery_window_in_days <= 30
    error_message = "recovery_window_in_days is between 7 and 30 (Secrets Manager); 0 would delete at once."
  }
}

variable "rotation_lambda_arn" {
  description = "Function that rotates the login in Azure SQL Database; null: rotated by hand as in docs/security.md."
  type        = string
  default     = null

  validation {
    condition     = var.rotation_lambda_arn == null || can(regex("^arn:aws[a-z-]*:lambda:", var.rotation_lambda_arn))
    error_message = "rotation_lambda_arn is the ARN of a Lambda function or null."
  }
}

variable "rotation_days" {
  description = "Days between two rotations of the login in Azure SQL Database, when a function does it."
  type        = number
  default     = 30
  nullable    = false

  validation {
    condition     = var.rotation_days >= 1 && var.rotation_days <= 90
    error_message = "rotation_days is between 1 and 90."
  }
}

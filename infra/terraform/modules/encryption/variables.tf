variable "name" {
  description = "Prefix of every name, project and environment: retail-lakehouse-dev."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{2,28}[a-z0-9]$", var.name))
    error_message = "name has 4 to 30 lower-case letters, digits and hyphens and begins with a letter: bucket and role names follow from it."
  }
}

variable "rotation_period_in_days" {
  description = "Days after which KMS makes new key material; older data stays readable."
  type        = number
  default     = 365
  nullable    = false

  validation {
    condition     = var.rotation_period_in_days >= 90 && var.rotation_period_in_days <= 2560
    error_message = "rotation_period_in_days is between 90 and 2560 (KMS)."
  }
}

variable "deletion_window_in_days" {
  description = "Days during which the deletion of a key, and with it of all data, can be taken back."
  type        = number
  default     = 30
  nullable    = false

  validation {
    condition     = var.deletion_window_in_days >= 7 && var.deletion_window_in_days <= 30
    error_message = "deletion_window_in_days is between 7 and 30 (KMS)."
  }
}

variable "account_id" {
  description = "AWS account."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[0-9]{12}$", var.account_id))
    error_message = "account_id has 12 digits."
  }
}

variable "region" {
  description = "AWS region."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[a-z]{2}-[a-z]+-[0-9]$", var.region))
    error_message = "region is a region's code, for example eu-central-1."
  }
}

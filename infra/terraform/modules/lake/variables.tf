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
  description = "AWS account; it makes the bucket names unique."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[0-9]{12}$", var.account_id))
    error_message = "account_id has 12 digits."
  }
}

variable "kms_key_arn" {
  description = "Key that objects are encrypted with."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^arn:aws[a-z-]*:kms:", var.kms_key_arn))
    error_message = "kms_key_arn is the ARN of a KMS key."
  }
}

variable "tables" {
  description = "Folders of the landing zone that hold records: declared tables and the connector's own topics."
  type        = set(string)
  nullable    = false

  validation {
    condition     = length(var.tables) > 0 && alltrue([for table in var.tables : can(regex("^[a-z][a-z0-9_]*$", table))])
    error_message = "tables are names of lower-case letters, digits and underscores, at least one."
  }
}

variable "landing_prefix" {
  description = "Prefix of the landing zone in its bucket."
  type        = string
  default     = "landing"
  nullable    = false

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]*$", var.landing_prefix))
    error_message = "landing_prefix is one folder name without slashes."
  }
}

variable "log_retention_days" {
  description = "Days that access logs are kept."
  type        = number
  default     = 365
  nullable    = false

  validation {
    condition     = var.log_retention_days >= 90
    error_message = "log_retention_days is at least 90: an incident is often found late."
  }
}

variable "force_destroy" {
  description = "Whether `terraform destroy` may remove buckets that still hold objects. Never in prod."
  type        = bool
  default     = false
  nullable    = false
}

variable "replica" {
  description = "Bucket and key of another account that what is landed is copied to, and the role to copy with; null: no copy."
  type        = object({ bucket = string, key_arn = string, role_arn = string })
  default     = null
}

variable "name" {
  description = "Prefix of every name, project and environment: retail-lakehouse-dev."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{2,28}[a-z0-9]$", var.name))
    error_message = "name has 4 to 30 lower-case letters, digits and hyphens and begins with a letter: bucket and role names follow from it."
  }
}

variable "kms_key_arn" {
  description = "Key that data at rest is encrypted with."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^arn:aws[a-z-]*:kms:", var.kms_key_arn))
    error_message = "kms_key_arn is the ARN of a KMS key."
  }
}

variable "logs_kms_key_arn" {
  description = "Key that log groups are encrypted with."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^arn:aws[a-z-]*:kms:", var.logs_kms_key_arn))
    error_message = "logs_kms_key_arn is the ARN of a KMS key."
  }
}

variable "log_retention_days" {
  description = "Days that logs are kept."
  type        = number
  default     = 365
  nullable    = false

  validation {
    condition     = contains([365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653], var.log_retention_days)
    error_message = "log_retention_days is a period of CloudWatch Logs of at least a year (365, 400, 545, 731 …)."
  }
}

variable "subnet_ids" {
  description = "Private subnets, one per zone."
  type        = list(string)
  nullable    = false

  validation {
    condition     = length(var.subnet_ids) >= 3
    error_message = "subnet_ids are at least three private subnets."
  }
}

variable "security_group_id" {
  description = "Security group of what this module makes."
  type        = string
  nullable    = false

  validation {
    condition     = startswith(var.security_group_id, "sg-")
    error_message = "security_group_id is a security group (sg-…)."
  }
}

variable "mode" {
  description = "serverless, provisioned (RA3 or RG nodes) or existing."
  type        = string
  nullable    = false

  validation {
    condition     = contains(["serverless", "provisioned", "existing"], var.mode)
    error_message = "mode is serverless, provisioned or existing."
  }
}

variable "existing" {
  description = "A warehouse to use instead of a new one: host, port, its workgroup's ARN and name or its cluster's identifier, and the secret of its administrator, who makes schemas, grants and measurements."
  type = object({
    host               = string
    port               = optional(number, 5439)
    workgroup_name     = optional(string)
    workgroup_arn      = optional(string)
    cluster_identifier = optional(string)
    admin_secret_arn   = string
  })
  default = null

  validation {
    condition     = (var.mode == "existing") == (var.existing != null)
    error_message = "existing belongs to mode existing, and is needed there."
  }

  validation {
    condition     = var.existing == null || (try(var.existing.workgroup_arn, null) == null) != (try(var.existing.cluster_identifier, null) == null)
    error_message = "existing names either workgroup_arn (with workgroup_name) or cluster_identifier."
  }

  # As bootstrap's boundary has it.
  validation {
    condition     = var.existing == null || can(regex(":secret:(redshift!|${var.name}/)", var.existing.admin_secret_arn))
    error_message = "existing.admin_secret_arn is Redshift's own secret (redshift!…), or one named ${var.name}/…: the tasks may read no other."
  }
}

variable "serverless" {
  description = "Size of a serverless workgroup in RPUs, its daily limit in RPU hours (breach_action: log, emit-metric or deactivate), when a snapshot is taken."
  type = object({
    base_rpus         = optional(number, 8)
    max_rpus          = optional(number, 64)
    rpu_hours_per_day = optional(number, 100)
    breach_action     = optional(string, "emit-metric")
    snapshot_schedule = optional(string, "cron(0 2 * * ? *)")
  })
  default  = {}
  nullable = false

  validation {
    condition     = var.serverless.base_rpus >= 4 && var.serverless.base_rpus <= 512 && var.serverless.max_rpus >= var.serverless.base_rpus
    error_message = "serverless: base_rpus is between 4 and 512, max_rpus at least as much."
  }

  validation {
    condition     = can(regex("^(cron|rate)\\(.+\\)$", var.serverless.snapshot_schedule))
    error_message = "serverless: snapshot_schedule is cron(…) or rate(…)."
  }

  validation {
    condition     = var.serverless.rpu_hours_per_day > 0 && contains(["log", "emit-metric", "deactivate"], var.serverless.breach_action)
    error_message = "serverless: rpu_hours_per_day is positive; breach_action is log, emit-metric or deactivate."
  }

  # Streaming views keep the workgroup awake day and night.
  validation {
    condition     = var.serverless.breach_action != "deactivate" || var.serverless.rpu_hours_per_day >= 24 * var.serverless.base_rpus
    error_message = "serverless: rpu_hours_per_day with breach_action deactivate is at least 24 times base_rpus: less would switch the warehouse off each day."
  }
}

variable "provisioned" {
  description = "Size of a cluster, its snapshots and its daily limits."
  type = object({
    node_type                           = optional(string, "ra3.large")
    nodes                               = optional(number, 2)
    snapshot_schedule                   = optional(string, "rate(8 hours)")
    concurrency_scaling_minutes_per_day = optional(number, 60)
    spectrum_tib_per_day                = optional(number, 1)
  })
  default  = {}
  nullable = false

  validation {
    condition     = can(regex("^(ra3\\.(large|xlplus|4xlarge|16xlarge)|rg\\.(large|xlarge|4xlarge|12xlarge))$", var.provisioned.node_type))
    error_message = "provisioned.node_type is ra3.large, ra3.xlplus, ra3.4xlarge, ra3.16xlarge or rg.large, rg.xlarge, rg.4xlarge, rg.12xlarge: other nodes have no managed storage."
  }

  validation {
    condition     = var.provisioned.nodes > 1 || can(regex("(\\.large|ra3\\.xlplus)$", var.provisioned.node_type))
    error_message = "provisioned.nodes: one node is possible with ra3.large, ra3.xlplus and rg.large only."
  }

  validation {
    condition     = var.provisioned.nodes >= 1 && var.provisioned.nodes <= 128
    error_message = "provisioned.nodes is between 1 and 128."
  }
}

variable "database" {
  description = "Database that dbt builds."
  type        = string
  default     = "lakehouse"
  nullable    = false

  validation {
    condition     = can(regex("^[a-z][a-z0-9_]{0,62}$", var.database))
    error_message = "database has lower-case letters, digits and underscores."
  }
}

variable "admin_username" {
  description = "Administrator; its password is made, kept and rotated by Redshift in Secrets Manager."
  type        = string
  default     = "administrator"
  nullable    = false

  validation {
    condition     = can(regex("^[a-z][a-z0-9_]{0,126}$", var.admin_username)) && !contains(["admin", "public", "user", "root"], var.admin_username)
    error_message = "admin_username has lower-case letters, digits and underscores and is no reserved word."
  }
}

variable "role_arn" {
  description = "Role with which the warehouse reads topics and landing zone."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^arn:aws[a-z-]*:iam::[0-9]{12}:role/", var.role_arn))
    error_message = "role_arn is the ARN of an IAM role."
  }
}

variable "scheduler_role_arn" {
  description = "Role with which EventBridge Scheduler takes snapshots of a serverless namespace."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^arn:aws[a-z-]*:iam::[0-9]{12}:role/", var.scheduler_role_arn))
    error_message = "scheduler_role_arn is the ARN of an IAM role."
  }
}

variable "failed_starts_queue_arn" {
  description = "Queue of what EventBridge Scheduler could not do (module orchestration)."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^arn:aws[a-z-]*:sqs:", var.failed_starts_queue_arn))
    error_message = "failed_starts_queue_arn is the ARN of an SQS queue."
  }
}

variable "secrets_kms_key_arn" {
  description = "Key that the administrator's managed password is encrypted with."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^arn:aws[a-z-]*:kms:", var.secrets_kms_key_arn))
    error_message = "secrets_kms_key_arn is the ARN of a KMS key."
  }
}

variable "snapshot_retention_days" {
  description = "Days that snapshots are kept."
  type        = number
  default     = 7
  nullable    = false

  validation {
    condition     = var.snapshot_retention_days >= 1 && var.snapshot_retention_days <= 35
    error_message = "snapshot_retention_days is between 1 and 35: 0 would switch snapshots off."
  }
}

variable "deletion_protection" {
  description = "Whether a cluster leaves a last snapshot when it is deleted. The role that applies is denied the deletion itself (bootstrap)."
  type        = bool
  default     = true
  nullable    = false
}

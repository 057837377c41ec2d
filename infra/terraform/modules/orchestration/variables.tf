variable "name" {
  description = "Prefix of every name, project and environment: retail-lakehouse-dev."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{2,28}[a-z0-9]$", var.name))
    error_message = "name has 4 to 30 lower-case letters, digits and hyphens and begins with a letter: bucket and role names follow from it."
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

variable "artifacts_bucket" {
  description = "Bucket that the environment file is written to."
  type        = string
  nullable    = false
}

variable "environment_file" {
  description = "Settings of the tasks, KEY=VALUE lines, no secrets."
  type        = string
  nullable    = false

  validation {
    condition     = alltrue([for line in split("\n", trimspace(var.environment_file)) : can(regex("^(LAKEHOUSE|AWS)_[A-Z0-9_]+=[^\"']*$", line))])
    error_message = "environment_file has lines LAKEHOUSE_NAME=value (or AWS_NAME=value), without quotes."
  }
}

variable "role_arns" {
  description = "Roles by purpose: dbt, operations, execution, runner, scheduler."
  type        = map(string)
  nullable    = false

  validation {
    condition     = length(setsubtract(["dbt", "operations", "execution", "runner", "scheduler"], keys(var.role_arns))) == 0
    error_message = "role_arns needs dbt, operations, execution, runner and scheduler."
  }
}

variable "release" {
  description = "Image tag of the first task definition; afterwards the deployment says what runs."
  type        = string
  default     = "initial"
  nullable    = false

  validation {
    condition     = can(regex("^[A-Za-z0-9][A-Za-z0-9._-]*$", var.release)) && var.release != "latest"
    error_message = "release is a git tag or commit, not latest."
  }
}

variable "dbt_task" {
  description = "Size of a dbt task: CPU units and MiB."
  type = object({
    cpu    = optional(number, 1024)
    memory = optional(number, 4096)
  })
  default  = {}
  nullable = false

  validation {
    condition     = contains([512, 1024, 2048, 4096], var.dbt_task.cpu) && var.dbt_task.memory >= 2 * var.dbt_task.cpu && var.dbt_task.memory <= 8 * var.dbt_task.cpu
    error_message = "dbt_task: cpu is 512, 1024, 2048 or 4096; memory (MiB) is 2 to 8 times cpu (Fargate)."
  }
}

variable "operations_task" {
  description = "Size of an operation's task: CPU units and MiB."
  type = object({
    cpu    = optional(number, 512)
    memory = optional(number, 2048)
  })
  default  = {}
  nullable = false

  validation {
    condition     = contains([512, 1024, 2048, 4096], var.operations_task.cpu) && var.operations_task.memory >= 2 * var.operations_task.cpu && var.operations_task.memory <= 8 * var.operations_task.cpu
    error_message = "operations_task: cpu is 512, 1024, 2048 or 4096; memory (MiB) is 2 to 8 times cpu (Fargate)."
  }
}

variable "dbt_schedule" {
  description = "When dbt builds, UTC."
  type        = string
  default     = "cron(0/15 * * * ? *)"
  nullable    = false

  validation {
    condition     = can(regex("^(cron|rate)\\(.+\\)$", var.dbt_schedule))
    error_message = "dbt_schedule is cron(…) or rate(…)."
  }
}

variable "dbt_schedule_enabled" {
  description = "Whether the schedule runs; off until the first deployment is done."
  type        = bool
  default     = true
  nullable    = false
}

variable "dbt_command" {
  description = "Command of the scheduled run."
  type        = list(string)
  nullable    = false

  validation {
    condition     = length(var.dbt_command) > 0
    error_message = "dbt_command is a command and its arguments."
  }
}

variable "audit_command" {
  description = "Command of the weekly run that tests everything."
  type        = list(string)
  nullable    = false

  validation {
    condition     = length(var.audit_command) > 0
    error_message = "audit_command is a command and its arguments."
  }
}

variable "warehouse_tasks" {
  description = "Commands that put the warehouse's metrics into CloudWatch and archive its streams."
  type        = object({ measure = list(string), archive = list(string) })
  nullable    = false

  validation {
    condition     = alltrue([for command in values(var.warehouse_tasks) : length(command) > 0])
    error_message = "Each of warehouse_tasks is a command and its arguments."
  }
}

variable "measure_minutes" {
  description = "Minutes from one measurement of the warehouse to the next; it wakes a serverless warehouse that sleeps."
  type        = number
  default     = 15
  nullable    = false

  validation {
    condition     = contains([5, 10, 15, 30, 60], var.measure_minutes)
    error_message = "measure_minutes is 5, 10, 15, 30 or 60."
  }
}

variable "retries" {
  description = "How often a failed task is run again."
  type        = number
  default     = 2
  nullable    = false

  validation {
    condition     = var.retries >= 0 && var.retries <= 5
    error_message = "retries is between 0 and 5."
  }
}

variable "retry_interval_seconds" {
  description = "Wait before the first retry; it doubles."
  type        = number
  default     = 60
  nullable    = false

  validation {
    condition     = var.retry_interval_seconds >= 10
    error_message = "retry_interval_seconds is at least 10."
  }
}

variable "run_timeout_seconds" {
  description = "Longest time of a run with its retries."
  type        = number
  default     = 14400
  nullable    = false

  validation {
    condition     = var.run_timeout_seconds >= 600
    error_message = "run_timeout_seconds is at least 600."
  }
}

variable "kept_images" {
  description = "Images that the repository keeps, newest first."
  type        = number
  default     = 50
  nullable    = false

  validation {
    condition     = var.kept_images >= 10
    error_message = "kept_images is at least 10: a rollback needs earlier ones."
  }
}

variable "force_destroy" {
  description = "Whether `terraform destroy` may remove a repository that still holds images. Never in prod."
  type        = bool
  default     = false
  nullable    = false
}

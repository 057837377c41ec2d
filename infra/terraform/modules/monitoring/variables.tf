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

variable "logs_kms_key_arn" {
  description = "Key that log groups are encrypted with."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^arn:aws[a-z-]*:kms:", var.logs_kms_key_arn))
    error_message = "logs_kms_key_arn is the ARN of a KMS key."
  }
}

variable "environment" {
  description = "Environment: dimension of the project's own metrics, tag of its costs."
  type        = string
  nullable    = false

  validation {
    condition     = contains(["dev", "qa", "prod"], var.environment)
    error_message = "environment is dev, qa or prod."
  }
}

variable "metrics_namespace" {
  description = "CloudWatch namespace of the project's own metrics."
  type        = string
  nullable    = false
}

variable "measure_minutes" {
  description = "Minutes from one measurement of the warehouse to the next (module orchestration)."
  type        = number
  nullable    = false
}

variable "warehouse" {
  description = "Kind of the warehouse (module redshift), and the most RPUs of a serverless one."
  type = object({
    mode     = string
    max_rpus = optional(number, 64)
  })
  nullable = false

  validation {
    condition     = contains(["serverless", "provisioned", "existing"], var.warehouse.mode)
    error_message = "warehouse.mode is serverless, provisioned or existing."
  }
}

variable "landing_jobs" {
  description = "Streaming jobs by group; each reports its own lag."
  type        = map(string)
  nullable    = false

  validation {
    condition     = length(var.landing_jobs) > 0
    error_message = "landing_jobs has at least one job."
  }
}

variable "runbook_url" {
  description = "Where docs/runbooks/operations.md is read; each alarm links its section."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^https://.+/docs/runbooks/operations\\.md$", var.runbook_url))
    error_message = "runbook_url is the https address of docs/runbooks/operations.md."
  }
}

variable "alarm_emails" {
  description = "Addresses that alarms are sent to; each confirms its subscription once."
  type        = set(string)
  default     = []
  nullable    = false

  validation {
    condition     = alltrue([for address in var.alarm_emails : can(regex("^[^@ ]+@[^@ ]+\\.[^@ ]+$", address))])
    error_message = "alarm_emails are e-mail addresses."
  }
}

variable "thresholds" {
  description = "Limits of the alarms."
  type = object({
    landing_lag_seconds  = optional(number, 900)
    consumer_lag_records = optional(number, 1000000)
    quarantined_records  = optional(number, 100)
    stale_marts_seconds  = optional(number, 7200)
    stale_views_seconds  = optional(number, 3600)
    archive_seconds      = optional(number, 777600)
    broker_disk_percent  = optional(number, 75)
    broker_cpu_percent   = optional(number, 60)
  })
  default  = {}
  nullable = false

  validation {
    condition     = alltrue([for limit in values(var.thresholds) : limit > 0])
    error_message = "thresholds are positive."
  }

  validation {
    condition     = var.thresholds.broker_disk_percent <= 90 && var.thresholds.broker_cpu_percent <= 90
    error_message = "thresholds of disk and CPU are at most 90 percent: later is too late."
  }
}

variable "monthly_budget_usd" {
  description = "Monthly budget in US dollars; 80 % spent or more than all of it forecast is an alarm."
  type        = number
  nullable    = false

  validation {
    condition     = var.monthly_budget_usd > 0
    error_message = "monthly_budget_usd is positive."
  }
}

variable "msk_cluster_name" {
  description = "Name of the MSK cluster."
  type        = string
  nullable    = false
}

variable "connector_name" {
  description = "Name of the connector on MSK Connect."
  type        = string
  nullable    = false
}

variable "state_machine_arn" {
  description = "State machine of the runs."
  type        = string
  nullable    = false
}

variable "failed_starts_queue_name" {
  description = "Queue of runs that could not be started."
  type        = string
  nullable    = false
}

variable "failed_starts_queue_arn" {
  description = "Queue of what Scheduler could not start and EventBridge could not deliver."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^arn:aws[a-z-]*:sqs:", var.failed_starts_queue_arn))
    error_message = "failed_starts_queue_arn is the ARN of an SQS queue."
  }
}

variable "glue_job_names" {
  description = "Jobs whose failure is an alarm."
  type        = list(string)
  nullable    = false

  validation {
    condition     = length(var.glue_job_names) > 0
    error_message = "glue_job_names has at least one job."
  }
}

variable "replicated_buckets" {
  description = "Buckets by zone that S3 copies into another account, and tells of what it could not copy."
  type        = map(string)
  default     = {}
  nullable    = false
}

variable "nightly_plan" {
  description = "Whether the workflow nightly plans the environment: then an alarm tells of a day without."
  type        = bool
  default     = false
  nullable    = false
}

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

variable "bucket_names" {
  description = "Buckets by zone: landing, artifacts."
  type        = map(string)
  nullable    = false

  validation {
    condition     = length(setsubtract(["landing", "artifacts"], keys(var.bucket_names))) == 0
    error_message = "bucket_names needs landing and artifacts."
  }
}

variable "role_arns" {
  description = "Roles by purpose: landing; with batch jobs or optimized tables batch and optimizer."
  type        = map(string)
  nullable    = false

  validation {
    condition     = contains(keys(var.role_arns), "landing")
    error_message = "role_arns needs landing."
  }

  validation {
    condition     = length(var.batch_jobs) + length(var.optimized_tables) == 0 || length(setsubtract(["batch", "optimizer"], keys(var.role_arns))) == 0
    error_message = "role_arns needs batch and optimizer, for there are batch jobs or optimized tables."
  }
}

variable "declarations_file" {
  description = "Name of the file with the declarations, beside a release's other files."
  type        = string
  nullable    = false
}

variable "tables" {
  description = "Folders of the landing zone and their descriptions: the declared tables and the connector's own topics."
  type        = map(string)
  nullable    = false

  validation {
    condition     = length(var.tables) > 0 && alltrue([for table in keys(var.tables) : can(regex("^[a-z][a-z0-9_]*$", table))])
    error_message = "tables has at least one name of lower-case letters, digits and underscores."
  }
}

variable "streaming_groups" {
  description = "Streaming jobs by name; tables left empty: all that no other group names. workers is the fixed number of workers."
  type = map(object({
    tables             = optional(set(string), [])
    worker_type        = optional(string, "G.1X")
    workers            = optional(number, 2)
    max_retries        = optional(number, 3)
    maintenance_window = optional(string, "Sun:03")
  }))
  nullable = false

  validation {
    condition     = length(var.streaming_groups) > 0 && alltrue([for name in keys(var.streaming_groups) : can(regex("^[a-z][a-z0-9-]*$", name))])
    error_message = "streaming_groups has at least one job, named with lower-case letters, digits and hyphens."
  }

  validation {
    condition     = length([for group in var.streaming_groups : group if length(group.tables) == 0]) <= 1
    error_message = "streaming_groups: only one group can take the rest of the tables."
  }

  validation {
    condition     = alltrue([for group in var.streaming_groups : contains(["G.025X", "G.1X", "G.2X", "G.4X", "G.8X"], group.worker_type) && group.workers >= 2])
    error_message = "streaming_groups: worker_type is G.025X, G.1X, G.2X, G.4X or G.8X, and workers at least 2 (a driver and an executor)."
  }

  validation {
    condition     = alltrue([for group in var.streaming_groups : can(regex("^(Mon|Tue|Wed|Thu|Fri|Sat|Sun):([01][0-9]|2[0-3])$", group.maintenance_window))])
    error_message = "streaming_groups: maintenance_window is a day and an hour, for example Sun:03."
  }
}

variable "batch_jobs" {
  description = "Batch jobs of the lake by name: landing to staging, staging to curated. Empty until the lake target is used."
  type = map(object({
    description     = string
    script          = string
    worker_type     = optional(string, "G.1X")
    workers         = optional(number, 2)
    timeout_minutes = optional(number, 120)
  }))
  default  = {}
  nullable = false

  validation {
    condition     = alltrue([for name in keys(var.batch_jobs) : contains(["landing-to-staging", "staging-to-curated"], name)])
    error_message = "batch_jobs are landing-to-staging and staging-to-curated."
  }
}

variable "optimized_tables" {
  description = "Iceberg tables of the curated database that Glue compacts and cleans; they exist once the lake target has run."
  type        = set(string)
  default     = []
  nullable    = false
}

variable "job_arguments" {
  description = "Arguments of the landing job's entry script by name (ingestion/glue/landing.py)."
  type        = map(string)
  nullable    = false

  validation {
    condition     = length(setsubtract(["bootstrap_servers", "landing", "checkpoints", "source", "kafka_auth"], keys(var.job_arguments))) == 0
    error_message = "job_arguments needs bootstrap_servers, landing, checkpoints, source and kafka_auth."
  }

  validation {
    condition     = try(startswith(var.job_arguments["landing"], "s3a://") && startswith(var.job_arguments["checkpoints"], "s3a://"), false)
    error_message = "job_arguments: landing and checkpoints are s3a:// URIs."
  }
}

variable "release" {
  description = "Release of the first apply; afterwards the deployment says what runs."
  type        = string
  default     = "initial"
  nullable    = false

  validation {
    condition     = can(regex("^[A-Za-z0-9][A-Za-z0-9._-]*$", var.release))
    error_message = "release is a git tag or commit."
  }
}

variable "entry_script" {
  description = "File name of the landing job's entry script."
  type        = string
  default     = "landing.py"
  nullable    = false
}

variable "dependencies" {
  description = "File name of the archive with the packages that the jobs install: a private subnet has no package index."
  type        = string
  default     = "dependencies.gluewheels.zip"
  nullable    = false

  validation {
    condition     = endswith(var.dependencies, ".gluewheels.zip")
    error_message = "dependencies is named ….gluewheels.zip: by that Glue knows it as wheels."
  }
}

variable "wheel" {
  description = "File name of the project's wheel."
  type        = string
  default     = "retail_lakehouse-0.1.0-py3-none-any.whl"
  nullable    = false

  validation {
    condition     = endswith(var.wheel, ".whl")
    error_message = "wheel is the name of a .whl file."
  }
}

variable "msk_iam_jar_key" {
  description = "Key of aws-msk-iam-auth in the artifacts bucket."
  type        = string
  default     = "glue/jars/aws-msk-iam-auth-2.3.6-all.jar"
  nullable    = false

  validation {
    condition     = startswith(var.msk_iam_jar_key, "glue/") && endswith(var.msk_iam_jar_key, ".jar")
    error_message = "msk_iam_jar_key is glue/….jar: jobs may read that prefix only."
  }
}

variable "encrypt_catalog" {
  description = "Whether this environment encrypts the Glue catalog, of which an account has one a region, with its key; false in each of several environments in one account and region, whose roles may use their own keys only."
  type        = bool
  default     = true
  nullable    = false
}

variable "availability_zone" {
  description = "Zone of the subnet."
  type        = string
  default     = null
}

variable "subnet_id" {
  description = "Private subnet of the jobs."
  type        = string
  nullable    = false
}

variable "security_group_id" {
  description = "Security group of the jobs."
  type        = string
  nullable    = false
}

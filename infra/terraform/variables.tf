variable "project" {
  description = "First part of every name."
  type        = string
  default     = "retail-lakehouse"
  nullable    = false

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{2,18}$", var.project))
    error_message = "project has 3 to 19 lower-case letters, digits and hyphens: bucket and role names have limits."
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

  # Bootstrap names the bucket after environment and account.
  validation {
    condition     = local.state == null || local.state == "s3://${var.project}-${var.environment}-terraform-${data.aws_caller_identity.this.account_id}/${var.environment}/terraform.tfstate"
    error_message = "The tfvars are of ${var.environment} and the credentials of account ${data.aws_caller_identity.this.account_id}, but the state is ${coalesce(local.state, "elsewhere")}. Take all three of one environment: -var-file=environments/<environment>.tfvars, its role, and its backend with terraform init -reconfigure (docs/runbooks/deployment.md)."
  }
}

variable "region" {
  description = "AWS region of the environment."
  type        = string
  nullable    = false
}

variable "account_ids" {
  description = "Accounts that this environment may be applied to; null: the one that its state's bucket names. One account per environment is best."
  type        = list(string)
  default     = null

  validation {
    condition     = contains(coalesce(var.account_ids, [data.aws_caller_identity.this.account_id]), data.aws_caller_identity.this.account_id)
    error_message = "The credentials are of account ${data.aws_caller_identity.this.account_id}, but account_ids of the tfvars is ${join(", ", coalesce(var.account_ids, []))}. Take the role of the tfvars' account, or -var-file=environments/<environment>.tfvars of the account."
  }

  validation {
    condition     = length(setintersection(var.other_account_ids, coalesce(var.account_ids, [data.aws_caller_identity.this.account_id]))) == 0
    error_message = "This environment's account ${join(", ", coalesce(var.account_ids, [data.aws_caller_identity.this.account_id]))} is among other_account_ids, the accounts of the other environments."
  }
}

variable "other_account_ids" {
  description = "Accounts of the other environments. Demanded in prod, which shares none: who may change dev's account may change all in it."
  type        = set(string)
  default     = []
  nullable    = false

  validation {
    condition     = var.environment != "prod" || length(var.other_account_ids) > 0
    error_message = "other_account_ids of prod names the accounts of dev and qa: prod shares none."
  }
}

variable "github_repository" {
  description = "Repository whose workflows deploy, and where the runbooks are, as GitHub's tokens name it: owner/name, or owner@id/name@id (docs/runbooks/deployment.md, step 1)."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[A-Za-z0-9][A-Za-z0-9-]*(/[A-Za-z0-9._-]+|@[1-9][0-9]*/[A-Za-z0-9._-]+@[1-9][0-9]*)$", var.github_repository))
    error_message = "github_repository is owner/name or owner@id/name@id, without wildcards."
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

variable "deletion_protection" {
  description = "Whether buckets and images that hold something, and the cluster's last state, survive a destroy. Always in prod."
  type        = bool
  nullable    = false

  validation {
    condition     = var.deletion_protection || var.environment != "prod"
    error_message = "deletion_protection cannot be switched off in prod."
  }
}

variable "release" {
  description = "Release of the first apply; afterwards the deployment says what runs."
  type        = string
  default     = "initial"
  nullable    = false
}

variable "network" {
  description = "Addresses or an existing VPC, and the way to Azure SQL (module network). zones and cidr_block stay as the first apply had them: others replace subnets, brokers and warehouse."
  type = object({
    cidr_block = optional(string, "10.40.0.0/16")
    zones      = optional(set(string), ["a", "b", "c"])
    existing = optional(object({
      vpc_id             = string
      private_subnet_ids = list(string)
      security_group_ids = map(string)
    }))
    azure_sql = object({
      egress             = string
      cidr_blocks        = optional(set(string), [])
      nat_per_zone       = optional(bool, false)
      transit_gateway_id = optional(string)
      vpn_gateway_id     = optional(string)
    })
    unavailable_endpoints         = optional(set(string), [])
    prometheus_security_group_ids = optional(set(string), [])
  })
  nullable = false
}

variable "kafka" {
  description = "Size of the MSK cluster, or an existing one (module msk)."
  type = object({
    version             = optional(string, "4.1.x.kraft")
    instance_type       = optional(string, "kafka.m7g.large")
    volume_size_gib     = optional(number, 100)
    max_volume_size_gib = optional(number, 1000)
    existing = optional(object({
      arn               = string
      name              = string
      bootstrap_brokers = string
    }))
  })
  default  = {}
  nullable = false
}

variable "connect" {
  description = "Plugin to upload, size of the worker, and the connector's settings if Terraform shall make it (module connect)."
  type = object({
    plugin_file             = optional(string)
    plugin_uploaded         = optional(bool, false)
    connector_configuration = optional(map(string))
    mcu_count               = optional(number, 1)
  })
  default  = {}
  nullable = false
}

variable "streaming_groups" {
  description = "Streaming jobs of the landing zone and the tables they land (module glue)."
  type = map(object({
    tables             = optional(set(string), [])
    worker_type        = optional(string, "G.1X")
    workers            = optional(number, 2)
    max_retries        = optional(number, 3)
    maintenance_window = optional(string, "Sun:03")
  }))
  nullable = false
}

variable "lake_target" {
  description = "Batch jobs and optimized tables of the lake; empty until the lake target is used (module glue)."
  type = object({
    batch_jobs = optional(map(object({
      description     = string
      script          = string
      worker_type     = optional(string, "G.1X")
      workers         = optional(number, 2)
      timeout_minutes = optional(number, 120)
    })), {})
    optimized_tables = optional(set(string), [])
  })
  default  = {}
  nullable = false
}

variable "encrypt_catalog" {
  description = "Whether this environment encrypts the Glue catalog, of which an account has one a region, with its key; false in each of several environments in one account and region, whose roles may use their own keys only."
  type        = bool
  default     = true
  nullable    = false
}

variable "landing_replica" {
  description = "Copy of the landing zone in another account, as the root replica puts it out; null: none. Demanded in prod."
  type        = object({ account_id = string, bucket = string, key_arn = string })
  default     = null

  validation {
    condition     = var.landing_replica != null || var.environment != "prod"
    error_message = "prod needs landing_replica, the output of infra/terraform/replica: its landing zone is the only truth (docs/runbooks/deployment.md, \"The copy of the landing zone\")."
  }

  validation {
    condition     = try(var.landing_replica.account_id, null) != data.aws_caller_identity.this.account_id
    error_message = "landing_replica is in the environment's own account: who may destroy the landing zone would have the copy too."
  }

  validation {
    condition     = var.landing_replica == null || can(regex("^arn:aws:kms:[a-z0-9-]+:${var.landing_replica.account_id}:key/", var.landing_replica.key_arn))
    error_message = "landing_replica: key_arn is a key of account_id."
  }
}

variable "redshift" {
  description = "Kind and size of the warehouse (module redshift)."
  type = object({
    mode = string
    existing = optional(object({
      host               = string
      port               = optional(number, 5439)
      workgroup_name     = optional(string)
      workgroup_arn      = optional(string)
      cluster_identifier = optional(string)
      admin_secret_arn   = string
    }))
    serverless = optional(object({
      base_rpus         = optional(number, 8)
      max_rpus          = optional(number, 64)
      rpu_hours_per_day = optional(number, 100)
      breach_action     = optional(string, "emit-metric")
      snapshot_schedule = optional(string, "cron(0 2 * * ? *)")
    }), {})
    provisioned = optional(object({
      node_type                           = optional(string, "ra3.large")
      nodes                               = optional(number, 2)
      snapshot_schedule                   = optional(string, "rate(8 hours)")
      concurrency_scaling_minutes_per_day = optional(number, 60)
      spectrum_tib_per_day                = optional(number, 1)
    }), {})
    snapshot_retention_days = optional(number, 7)
  })
  nullable = false
}

variable "dbt" {
  description = "Size and schedule of the dbt build (module orchestration)."
  type = object({
    task = optional(object({
      cpu    = optional(number, 1024)
      memory = optional(number, 4096)
    }), {})
    schedule         = optional(string, "cron(0/15 * * * ? *)")
    schedule_enabled = optional(bool, true)
  })
  default  = {}
  nullable = false
}

variable "alarms" {
  description = "Who is told, limits, monthly budget in US dollars, minutes from one measurement of the warehouse to the next, whether the workflow nightly plans the environment (module monitoring)."
  type = object({
    emails             = optional(set(string), [])
    monthly_budget_usd = number
    measure_minutes    = optional(number, 15)
    nightly_plan       = optional(bool, false)
    thresholds = optional(object({
      landing_lag_seconds  = optional(number, 900)
      consumer_lag_records = optional(number, 1000000)
      quarantined_records  = optional(number, 100)
      stale_marts_seconds  = optional(number, 7200)
      stale_views_seconds  = optional(number, 3600)
      archive_seconds      = optional(number, 777600)
      broker_disk_percent  = optional(number, 75)
      broker_cpu_percent   = optional(number, 60)
    }), {})
  })
  nullable = false

  validation {
    condition     = var.environment != "prod" || length(var.alarms.emails) > 0
    error_message = "alarms.emails of prod names at least one address: nobody else is told."
  }
}

variable "shop_database_rotation_lambda_arn" {
  description = "Function that rotates the login in Azure SQL Database; null: by hand (docs/security.md)."
  type        = string
  default     = null
}

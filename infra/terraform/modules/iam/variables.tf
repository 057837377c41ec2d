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

variable "permissions_boundary_arn" {
  description = "Permissions boundary that every role carries."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^arn:aws[a-z-]*:iam::[0-9]{12}:policy/", var.permissions_boundary_arn))
    error_message = "permissions_boundary_arn is the ARN of an IAM policy."
  }
}

variable "environment" {
  description = "Environment; also the GitHub environment whose jobs may take the deploy role."
  type        = string
  nullable    = false

  validation {
    condition     = contains(["dev", "qa", "prod"], var.environment)
    error_message = "environment is dev, qa or prod."
  }
}

variable "github_repository" {
  description = "Repository whose workflows may deploy, as GitHub's tokens name it: owner/name, or owner@id/name@id (docs/runbooks/deployment.md, step 1)."
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

variable "bucket_arns" {
  description = "Buckets by zone: landing, staging, curated, artifacts."
  type        = map(string)
  nullable    = false

  validation {
    condition     = length(setsubtract(["landing", "staging", "curated", "artifacts"], keys(var.bucket_arns))) == 0
    error_message = "bucket_arns needs landing, staging, curated and artifacts."
  }
}

variable "key_arns" {
  description = "KMS keys by purpose: data, secrets, logs."
  type        = map(string)
  nullable    = false

  validation {
    condition     = length(setsubtract(["data", "secrets", "logs"], keys(var.key_arns))) == 0
    error_message = "key_arns needs data, secrets and logs."
  }
}

variable "secret_arns" {
  description = "Secrets by purpose: shop-database, pii-salt."
  type        = map(string)
  nullable    = false

  validation {
    condition     = length(setsubtract(["shop-database", "pii-salt"], keys(var.secret_arns))) == 0
    error_message = "secret_arns needs shop-database and pii-salt."
  }
}

variable "msk_cluster_arn" {
  description = "ARN of the MSK cluster."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^arn:aws[a-z-]*:kafka:[a-z0-9-]+:[0-9]{12}:cluster/", var.msk_cluster_arn))
    error_message = "msk_cluster_arn is the ARN of an MSK cluster."
  }
}

variable "topics" {
  description = "All topics of the connector."
  type        = set(string)
  nullable    = false

  validation {
    condition     = alltrue([for topic in var.topics : can(regex("^[A-Za-z0-9._-]+$", topic))])
    error_message = "topics are Kafka topic names; a wildcard would grant more than the declared ones."
  }
}

variable "table_topics" {
  description = "Topics of declared tables."
  type        = set(string)
  nullable    = false

  validation {
    condition     = length(setsubtract(var.table_topics, var.topics)) == 0
    error_message = "table_topics must be among topics."
  }
}

variable "connector_topics" {
  description = "The connector's own topics that are landed too: heartbeat, transactions, schema changes."
  type        = set(string)
  nullable    = false

  validation {
    condition     = length(setsubtract(var.connector_topics, var.topics)) == 0
    error_message = "connector_topics must be among topics."
  }
}

variable "schema_history_topic" {
  description = "Topic in which the connector keeps the tables' past structure."
  type        = string
  nullable    = false

  validation {
    condition     = contains(var.topics, var.schema_history_topic)
    error_message = "schema_history_topic must be among topics."
  }
}

variable "topic_prefix" {
  description = "Debezium's topic.prefix."
  type        = string
  nullable    = false
}

variable "redshift" {
  description = "Warehouse: the workgroup's ARN or the cluster's identifier, its database, the secret of its administrator."
  type = object({
    namespace_arn      = optional(string)
    workgroup_arn      = optional(string)
    cluster_identifier = optional(string)
    database           = string
    admin_secret_arn   = string
  })
  nullable = false
}

variable "repository_arn" {
  description = "ECR repository of the project's image."
  type        = string
  nullable    = false
}

variable "vpc_id" {
  description = "VPC in which Glue makes its network interfaces."
  type        = string
  nullable    = false
}

variable "subnet_ids" {
  description = "Subnets in which Glue makes its network interfaces."
  type        = list(string)
  nullable    = false
}

variable "connect_security_group_id" {
  description = "Security group of the connector's workers."
  type        = string
  nullable    = false

  validation {
    condition     = startswith(var.connect_security_group_id, "sg-")
    error_message = "connect_security_group_id is a security group (sg-…)."
  }
}

variable "glue_security_group_id" {
  description = "Security group of Glue's network interfaces."
  type        = string
  nullable    = false
}

variable "lake_target" {
  description = "Whether there are jobs or optimized tables of the lake, which have roles of their own."
  type        = bool
  nullable    = false
}

variable "metrics_namespace" {
  description = "CloudWatch namespace of the project's own metrics."
  type        = string
  nullable    = false
}

variable "landing_replica" {
  description = "Bucket and key of another account that the landing zone is copied to; null: no copy, and no role for it."
  type        = object({ bucket = string, key_arn = string })
  default     = null
}

variable "name" {
  description = "Prefix of every name, project and environment: retail-lakehouse-dev."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{2,28}[a-z0-9]$", var.name))
    error_message = "name has 4 to 30 lower-case letters, digits and hyphens and begins with a letter: bucket and role names follow from it."
  }
}

variable "existing" {
  description = "A cluster to use instead of a new one: its ARN, name and IAM bootstrap brokers. It must admit the security groups of the network module on 9098."
  type = object({
    arn               = string
    name              = string
    bootstrap_brokers = string
  })
  default = null

  validation {
    condition     = var.existing == null || can(regex("^arn:aws[a-z-]*:kafka:[a-z0-9-]+:[0-9]{12}:cluster/", var.existing.arn))
    error_message = "existing.arn is the ARN of an MSK cluster."
  }

  validation {
    condition     = var.existing == null || alltrue([for broker in split(",", try(var.existing.bootstrap_brokers, "")) : endswith(broker, ":9098")])
    error_message = "existing.bootstrap_brokers is host:9098,… : IAM listeners only."
  }
}

variable "kafka_version" {
  description = "Kafka version of standard brokers in KRaft mode."
  type        = string
  default     = "4.1.x.kraft"
  nullable    = false

  validation {
    condition     = can(regex("^4\\.1\\.(x|[0-9]+)\\.kraft$", var.kafka_version))
    error_message = "kafka_version is 4.1.x.kraft: 4.2 runs on Express brokers only, ZooKeeper clusters cannot move to KRaft."
  }
}

variable "instance_type" {
  description = "Broker size."
  type        = string
  default     = "kafka.m7g.large"
  nullable    = false

  validation {
    condition     = can(regex("^kafka\\.(m5|m7g)\\.[0-9]*x?large$", var.instance_type))
    error_message = "instance_type is kafka.m5.* or kafka.m7g.*: Kafka 4.x refuses t3 brokers."
  }
}

variable "subnet_ids" {
  description = "Subnets of the brokers, three zones."
  type        = list(string)
  nullable    = false

  validation {
    condition     = length(var.subnet_ids) == 3
    error_message = "subnet_ids are exactly three subnets, one per zone."
  }
}

variable "security_group_id" {
  description = "Security group of the brokers."
  type        = string
  nullable    = false

  validation {
    condition     = startswith(var.security_group_id, "sg-")
    error_message = "security_group_id is a security group (sg-…)."
  }
}

variable "volume_size_gib" {
  description = "First size of a broker's volume."
  type        = number
  default     = 100
  nullable    = false

  validation {
    condition     = var.volume_size_gib >= 10 && var.volume_size_gib <= 16384
    error_message = "volume_size_gib is between 10 and 16384."
  }
}

variable "max_volume_size_gib" {
  description = "Size up to which a broker's volume may grow by itself."
  type        = number
  default     = 1000
  nullable    = false

  validation {
    condition     = var.max_volume_size_gib >= var.volume_size_gib && var.max_volume_size_gib <= 16384
    error_message = "max_volume_size_gib is between volume_size_gib and 16384."
  }
}

variable "storage_target_percent" {
  description = "Used part of the volumes above which they grow."
  type        = number
  default     = 60
  nullable    = false

  validation {
    condition     = var.storage_target_percent >= 10 && var.storage_target_percent <= 80
    error_message = "storage_target_percent is between 10 and 80 (MSK)."
  }
}

variable "default_retention_hours" {
  description = "Retention of topics that declare none (internal topics of Connect)."
  type        = number
  default     = 168
  nullable    = false

  validation {
    condition     = var.default_retention_hours >= 72
    error_message = "default_retention_hours is at least 72: a job that stands still over a weekend must lose nothing."
  }
}

variable "kms_key_arn" {
  description = "Key that the brokers' volumes are encrypted with."
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
  description = "Days that broker logs are kept."
  type        = number
  default     = 365
  nullable    = false

  validation {
    condition     = contains([365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653], var.log_retention_days)
    error_message = "log_retention_days is a period of CloudWatch Logs of at least a year (365, 400, 545, 731 …)."
  }
}

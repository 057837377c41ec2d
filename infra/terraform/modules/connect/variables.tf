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

variable "artifacts_bucket" {
  description = "Bucket that holds the plugin."
  type        = string
  nullable    = false
}

variable "plugin_key" {
  description = "Key of the plugin's ZIP file in the artifacts bucket; null: named after debezium_version and transforms_version, where `publish-connect-plugin` puts it."
  type        = string
  default     = null

  validation {
    condition     = var.plugin_key == null || can(regex("^connect/.+\\.zip$", var.plugin_key))
    error_message = "plugin_key is connect/….zip."
  }
}

variable "plugin_file" {
  description = "Path of the ZIP file to upload; null: it is in the bucket, or not yet (plugin_uploaded)."
  type        = string
  default     = null
}

variable "plugin_uploaded" {
  description = "Whether the ZIP file is in the bucket. MSK Connect refuses a plugin without its file, so it is false until the first upload."
  type        = bool
  default     = false
  nullable    = false
}

variable "debezium_version" {
  description = "Version of the connector in the plugin; part of the plugin's name, because a plugin never changes."
  type        = string
  default     = "3.6.1.Final"
  nullable    = false

  validation {
    condition     = can(regex("^[0-9]+\\.[0-9]+\\.[0-9]+\\.Final$", var.debezium_version))
    error_message = "debezium_version is a release, for example 3.6.1.Final."
  }
}

variable "transforms_version" {
  description = "Version of infra/connectors/transforms in the plugin, `transforms.version` of requirements/jars/pom.xml; part of the plugin's name."
  type        = number
  default     = 1
  nullable    = false

  validation {
    condition     = var.transforms_version >= 1 && floor(var.transforms_version) == var.transforms_version
    error_message = "transforms_version is a whole number from 1."
  }
}

variable "kafkaconnect_version" {
  description = "Version of Kafka Connect that MSK Connect runs. Debezium 3.6 needs Java 17, which MSK Connect has from 3.7.x."
  type        = string
  default     = "3.7.x"
  nullable    = false

  validation {
    condition     = can(regex("^(3\\.[7-9]|4\\.[0-9]+)\\.(x|[0-9]+)$", var.kafkaconnect_version))
    error_message = "kafkaconnect_version is 3.7.x or newer."
  }
}

variable "connector_configuration" {
  description = "Settings of the connector as `lakehouse` renders them, secrets by reference; null: an operation makes the connector."
  type        = map(string)
  default     = null

  validation {
    condition     = alltrue([for key in keys(coalesce(var.connector_configuration, {})) : !strcontains(key, ".with.salt.")])
    error_message = "connector_configuration contains the salt of the pseudonyms: it would stand in the state file. Leave it null and let the operation make the connector."
  }

  validation {
    condition     = var.connector_configuration == null || var.plugin_uploaded || var.plugin_file != null
    error_message = "connector_configuration: a connector needs its plugin; give plugin_file, or upload it and set plugin_uploaded."
  }

  validation {
    condition     = alltrue([for key, value in coalesce(var.connector_configuration, {}) : can(regex("^[$][{]secretsmanager:", value)) if can(regex("(password|secret)$", key))])
    error_message = "connector_configuration: what ends in password or secret must be a reference to the configuration provider secretsmanager, not its value."
  }
}

variable "role_arn" {
  description = "Role of the connector."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^arn:aws[a-z-]*:iam::[0-9]{12}:role/", var.role_arn))
    error_message = "role_arn is the ARN of an IAM role."
  }
}

variable "bootstrap_brokers" {
  description = "host:9098,… of the brokers."
  type        = string
  nullable    = false
}

variable "subnet_ids" {
  description = "Private subnets of the workers."
  type        = list(string)
  nullable    = false
}

variable "security_group_id" {
  description = "Security group of the workers."
  type        = string
  nullable    = false
}

variable "mcu_count" {
  description = "Size of the worker: 1 MCU is 1 vCPU and 4 GiB."
  type        = number
  default     = 1
  nullable    = false

  validation {
    condition     = contains([1, 2, 4, 8], var.mcu_count)
    error_message = "mcu_count is 1, 2, 4 or 8."
  }
}

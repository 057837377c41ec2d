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
  description = "AWS account whose principals may use the endpoints."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[0-9]{12}$", var.account_id))
    error_message = "account_id has 12 digits."
  }
}

variable "cidr_block" {
  description = "Addresses of the VPC, a /16; unused when `existing` is given."
  type        = string
  default     = "10.40.0.0/16"
  nullable    = false

  validation {
    condition     = can(cidrhost(var.cidr_block, 0)) && endswith(var.cidr_block, "/16")
    error_message = "cidr_block is an IPv4 /16, for example 10.40.0.0/16."
  }
}

variable "existing" {
  description = "A VPC to use instead of a new one: private subnets in three zones, with endpoints and a way to Azure SQL of its own. security_group_ids: the groups of its endpoints, and of an MSK (msk) and a Redshift (redshift) that are there already; each is given rules that admit the clients."
  type = object({
    vpc_id             = string
    private_subnet_ids = list(string)
    security_group_ids = map(string)
  })
  default = null

  validation {
    condition     = var.existing == null || (startswith(coalesce(try(var.existing.vpc_id, null), "-"), "vpc-") && length(try(var.existing.private_subnet_ids, [])) >= 3)
    error_message = "existing needs a vpc_id (vpc-…) and at least three private_subnet_ids, in three zones."
  }

  validation {
    condition     = var.existing == null || (contains(keys(try(var.existing.security_group_ids, {})), "endpoints") && length(setsubtract(keys(try(var.existing.security_group_ids, {})), ["endpoints", "msk", "redshift"])) == 0)
    error_message = "existing.security_group_ids names the group of the VPC's endpoints, without which nothing reaches AWS: endpoints, and perhaps msk and redshift."
  }
}

variable "zones" {
  description = "Letters of the three availability zones of the VPC; unused when `existing` is given. They stay as the first apply had them: addresses follow from their order, so another zone replaces subnets, and with them the brokers and the warehouse."
  type        = set(string)
  default     = ["a", "b", "c"]
  nullable    = false

  validation {
    condition     = length(var.zones) == 3 && alltrue([for letter in var.zones : can(regex("^[a-z]$", letter))])
    error_message = "zones are three letters, for example [\"a\", \"b\", \"c\"]."
  }
}

variable "azure_sql" {
  description = "Way to Azure SQL Database. egress: nat (fixed addresses, in the outputs, for Azure's firewall), transit_gateway, vpn or none (an existing VPC has its own). cidr_blocks: Azure SQL gateways and redirect range of the source's region."
  type = object({
    egress             = string
    cidr_blocks        = optional(set(string), [])
    nat_per_zone       = optional(bool, false)
    transit_gateway_id = optional(string)
    vpn_gateway_id     = optional(string)
  })
  nullable = false

  validation {
    condition     = contains(["nat", "transit_gateway", "vpn", "none"], var.azure_sql.egress)
    error_message = "azure_sql.egress is nat, transit_gateway, vpn or none."
  }

  validation {
    condition     = var.azure_sql.egress == "none" || length(var.azure_sql.cidr_blocks) > 0
    error_message = "azure_sql.cidr_blocks: name the addresses of Azure SQL in the source's region."
  }

  validation {
    condition     = alltrue([for cidr in var.azure_sql.cidr_blocks : can(cidrhost(cidr, 0)) && try(tonumber(split("/", cidr)[1]) >= 8, false)])
    error_message = "azure_sql.cidr_blocks are IPv4 ranges of /8 or smaller: 0.0.0.0/0 would open the whole internet."
  }

  validation {
    condition     = (var.azure_sql.egress == "transit_gateway") == (var.azure_sql.transit_gateway_id != null)
    error_message = "azure_sql.transit_gateway_id belongs to egress transit_gateway, and is needed there."
  }

  validation {
    condition     = (var.azure_sql.egress == "vpn") == (var.azure_sql.vpn_gateway_id != null)
    error_message = "azure_sql.vpn_gateway_id belongs to egress vpn, and is needed there."
  }
}

variable "interface_endpoints" {
  description = "AWS services that are reached through interface endpoints (last part of the service name)."
  type        = set(string)
  default = [
    "ecr.api", "ecr.dkr", "ecs", "glue", "kafka", "kafkaconnect", "kms", "logs", "monitoring", "redshift",
    "redshift-data", "redshift-serverless", "secretsmanager", "states", "sts",
  ]
  nullable = false

  validation {
    condition     = length(setsubtract(["ecr.api", "ecr.dkr", "glue", "logs", "secretsmanager", "sts"], var.interface_endpoints)) == 0
    error_message = "interface_endpoints must contain ecr.api, ecr.dkr, glue, logs, secretsmanager and sts: without them no task or job starts."
  }
}

variable "unavailable_endpoints" {
  description = "Endpoints of the list above that the region does not have (kafka and kafkaconnect are missing in some)."
  type        = set(string)
  default     = []
  nullable    = false
}

variable "prometheus_security_group_ids" {
  description = "Security groups that may read the brokers' metrics (open monitoring)."
  type        = set(string)
  default     = []
  nullable    = false

  validation {
    condition     = alltrue([for id in var.prometheus_security_group_ids : startswith(id, "sg-")])
    error_message = "prometheus_security_group_ids are security groups (sg-…)."
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
  description = "Days that flow logs are kept."
  type        = number
  default     = 365
  nullable    = false

  validation {
    condition     = contains([365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653], var.log_retention_days)
    error_message = "log_retention_days is a period of CloudWatch Logs of at least a year (365, 400, 545, 731 …)."
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

variable "region" {
  description = "AWS region."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[a-z]{2}-[a-z]+-[0-9]$", var.region))
    error_message = "region is a region's code, for example eu-central-1."
  }
}

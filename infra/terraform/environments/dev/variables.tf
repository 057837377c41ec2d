variable "region" {
  description = "AWS region of this environment."
  type        = string
  nullable    = false
}

variable "account_ids" {
  description = "Accounts that this environment may be applied to; null: any. One account an environment is best."
  type        = list(string)
  default     = null
}

variable "github_repository" {
  description = "Repository whose workflows deploy: owner/name."
  type        = string
  nullable    = false
}

variable "azure_sql" {
  description = "Way to Azure SQL Database and its addresses (module network)."
  type = object({
    egress             = string
    cidr_blocks        = optional(set(string), [])
    nat_per_zone       = optional(bool, false)
    transit_gateway_id = optional(string)
    vpn_gateway_id     = optional(string)
  })
  nullable = false
}

variable "kafka" {
  description = "Size of the brokers (module msk)."
  type = object({
    instance_type       = string
    volume_size_gib     = number
    max_volume_size_gib = number
  })
  nullable = false
}

variable "redshift" {
  description = "Kind and size of the warehouse (module redshift)."
  type = object({
    mode = string
    serverless = optional(object({
      base_rpus         = optional(number, 8)
      max_rpus          = optional(number, 64)
      rpu_hours_per_day = optional(number, 100)
      breach_action     = optional(string, "emit-metric")
    }), {})
    provisioned = optional(object({
      node_type = optional(string, "ra3.large")
      nodes     = optional(number, 2)
    }), {})
    snapshot_retention_days = optional(number, 7)
  })
  nullable = false
}

variable "streaming_groups" {
  description = "Streaming jobs and the tables they land; a job without tables takes the rest (module glue)."
  type = map(object({
    tables      = optional(set(string), [])
    worker_type = optional(string, "G.1X")
    workers     = optional(number, 2)
  }))
  nullable = false
}

variable "dbt" {
  description = "Size and schedule of the dbt build (module orchestration)."
  type = object({
    task     = optional(object({ cpu = number, memory = number }), { cpu = 1024, memory = 4096 })
    schedule = string
  })
  nullable = false
}

variable "alarms" {
  description = "Who is told, the monthly budget in US dollars, minutes from one measurement to the next (module monitoring)."
  type = object({
    emails             = optional(set(string), [])
    monthly_budget_usd = number
    measure_minutes    = optional(number, 15)
  })
  nullable = false
}

variable "connect" {
  description = "Debezium's plugin: a ZIP file to upload, or whether it is in the artifacts bucket already (module connect)."
  type = object({
    plugin_file     = optional(string)
    plugin_uploaded = optional(bool, false)
    mcu_count       = optional(number, 1)
  })
  default  = {}
  nullable = false
}

variable "connector" {
  description = "Connector whose topics are meant: sqlserver in AWS, postgresql on one machine."
  type        = string
  default     = "sqlserver"
  nullable    = false

  validation {
    condition     = contains(["sqlserver", "postgresql"], var.connector)
    error_message = "connector is sqlserver or postgresql."
  }
}

output "connector" {
  description = "What `CreateConnector` of MSK Connect needs besides the settings, as one value; no plugin yet: plugin_arn is null."
  value = {
    name                          = "${var.name}-sqlserver"
    kafkaconnect_version          = var.kafkaconnect_version
    mcu_count                     = var.mcu_count
    plugin_arn                    = one(aws_mskconnect_custom_plugin.this[*].arn)
    plugin_revision               = one(aws_mskconnect_custom_plugin.this[*].latest_revision)
    worker_configuration_arn      = aws_mskconnect_worker_configuration.this.arn
    worker_configuration_revision = aws_mskconnect_worker_configuration.this.latest_revision
    role_arn                      = var.role_arn
    log_group                     = aws_cloudwatch_log_group.this.name
    subnet_ids                    = var.subnet_ids
    security_group_id             = var.security_group_id
  }
}

output "log_group_name" {
  description = "Log group of the workers."
  value       = aws_cloudwatch_log_group.this.name
}

output "environment_file" {
  description = "Settings of dbt, Ansible, workflows and tasks, KEY=VALUE lines; also in the artifacts bucket, environment/<name>.env."
  value       = local.environment_file
}

output "environment_file_uri" {
  description = "Where the environment file is: value of LAKEHOUSE_ENVIRONMENT_FILE."
  value       = "s3://${module.lake.bucket_names["artifacts"]}/${module.orchestration.environment_file_key}"
}

output "dashboard_url" {
  description = "The dashboard in the console."
  value       = "https://${var.region}.console.aws.amazon.com/cloudwatch/home?region=${var.region}#dashboards/dashboard/${module.monitoring.dashboard_name}"
}

output "bucket_names" {
  description = "Buckets by zone."
  value       = module.lake.bucket_names
}

output "role_arns" {
  description = "Roles by purpose."
  value       = module.iam.role_arns
}

output "nat_public_ips" {
  description = "Addresses that Azure's firewall must admit."
  value       = module.network.nat_public_ips
}

output "kafka_bootstrap_servers" {
  description = "host:9098,… of the brokers."
  value       = module.msk.bootstrap_brokers
}

output "redshift" {
  description = "How clients reach the warehouse."
  value       = merge(module.redshift.endpoint, { database = module.redshift.database })
}

output "glue_job_names" {
  description = "Streaming jobs by group."
  value       = module.glue.job_names
}

output "streaming_tables" {
  description = "Tables that each streaming job lands."
  value       = module.glue.streaming_tables
}

output "connector" {
  description = "What the connector on MSK Connect is made from."
  value       = module.connect.connector
}

output "secret_names" {
  description = "Secrets by purpose; their values are put in by hand."
  value       = module.secrets.names
}

output "repository_url" {
  description = "ECR repository of the image."
  value       = module.orchestration.repository_url
}

output "state_machine_arn" {
  description = "State machine that runs a command, never two at once."
  value       = module.orchestration.state_machine_arn
}

output "alarm_links" {
  description = "Alarms and the runbook sections that they link."
  value       = module.monitoring.alarm_links
}

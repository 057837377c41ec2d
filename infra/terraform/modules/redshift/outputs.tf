locals {
  endpoint = local.serverless ? {
    host               = one(aws_redshiftserverless_workgroup.this[0].endpoint[*].address)
    port               = 5439
    workgroup_name     = aws_redshiftserverless_workgroup.this[0].workgroup_name
    workgroup_arn      = aws_redshiftserverless_workgroup.this[0].arn
    cluster_identifier = null
    admin_secret_arn   = aws_redshiftserverless_namespace.this[0].admin_password_secret_arn
    } : local.provisioned ? {
    host               = aws_redshift_cluster.this[0].dns_name
    port               = 5439
    workgroup_name     = null
    workgroup_arn      = null
    cluster_identifier = aws_redshift_cluster.this[0].cluster_identifier
    admin_secret_arn   = aws_redshift_cluster.this[0].master_password_secret_arn
    } : {
    host               = var.existing.host
    port               = var.existing.port
    workgroup_name     = var.existing.workgroup_name
    workgroup_arn      = var.existing.workgroup_arn
    cluster_identifier = var.existing.cluster_identifier
    admin_secret_arn   = var.existing.admin_secret_arn
  }
}

output "endpoint" {
  description = "How clients reach the warehouse: host, port, workgroup or cluster, secret of the administrator."
  value       = local.endpoint
}

output "namespace_arn" {
  description = "ARN of a serverless namespace made here, else null."
  value       = one(aws_redshiftserverless_namespace.this[*].arn)
}

output "database" {
  description = "Database that dbt builds."
  value       = var.database
}

output "log_group_names" {
  description = "Log groups of the audit logs by kind."
  value       = { for kind, group in aws_cloudwatch_log_group.audit : kind => group.name }
}

output "cluster_arn" {
  description = "ARN of the cluster, new or existing."
  value       = local.own ? aws_msk_cluster.this[0].arn : var.existing.arn
}

output "cluster_name" {
  description = "Name of the cluster; CloudWatch's dimension."
  value       = local.own ? aws_msk_cluster.this[0].cluster_name : var.existing.name
}

output "bootstrap_brokers" {
  description = "host:9098 of the brokers, separated by commas, sorted: IAM listeners."
  value       = join(",", sort(split(",", local.own ? aws_msk_cluster.this[0].bootstrap_brokers_sasl_iam : var.existing.bootstrap_brokers)))
}

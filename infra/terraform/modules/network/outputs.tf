output "vpc_id" {
  description = "VPC that everything lives in."
  value       = local.vpc_id
}

output "private_subnet_ids" {
  description = "Private subnets, one per zone."
  value       = local.private_subnet_ids
}

output "availability_zones" {
  description = "Zones of the private subnets, in the order of private_subnet_ids; empty for an existing VPC."
  value       = local.zones
}

output "security_group_ids" {
  description = "Security groups by part: msk, connect, glue, redshift, tasks, endpoints."
  value       = local.group_ids
}

output "nat_public_ips" {
  description = "Addresses from which the connector reaches Azure SQL: Azure's firewall must admit them."
  value       = [for zone in local.nat_zones : aws_eip.nat[zone].public_ip]
}

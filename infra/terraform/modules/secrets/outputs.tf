output "arns" {
  description = "ARNs of the secrets by purpose: shop-database, pii-salt."
  value       = { for purpose, secret in aws_secretsmanager_secret.this : purpose => secret.arn }
}

output "names" {
  description = "Names of the secrets by purpose."
  value       = { for purpose, secret in aws_secretsmanager_secret.this : purpose => secret.name }
}

output "role_arns" {
  description = "ARNs of the roles by purpose."
  value       = { for purpose, role in aws_iam_role.this : purpose => role.arn }
}

output "role_names" {
  description = "Names of the roles by purpose."
  value       = { for purpose, role in aws_iam_role.this : purpose => role.name }
}

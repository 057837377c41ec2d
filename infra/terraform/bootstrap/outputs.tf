output "backend_config" {
  description = "Content of environments/<environment>.s3.tfbackend, for `terraform init -backend-config`."
  value       = <<-EOT
    bucket     = "${aws_s3_bucket.state.id}"
    kms_key_id = "${aws_kms_key.state.arn}"
    region     = "${var.region}"
  EOT
}

output "role_arns" {
  description = "Roles of GitHub Actions: plan and apply."
  value       = { for purpose, role in aws_iam_role.terraform : purpose => role.arn }
}

output "boundary_arn" {
  description = "Permissions boundary of every role of the environment."
  value       = aws_iam_policy.boundary.arn
}

output "break_glass_role_arn" {
  description = "Role of docs/runbooks/break_glass.md; null where nobody may take it."
  value       = one(aws_iam_role.break_glass[*].arn)
}

output "landing_replica" {
  description = "Value of the variable landing_replica in the environment's tfvars; its key_arn is bootstrap's replica_key_arn too."
  value       = { account_id = local.account_id, bucket = aws_s3_bucket.this.id, key_arn = aws_kms_key.this.arn }
}

output "bucket_names" {
  description = "Names of the buckets by zone: landing, staging, curated, artifacts, logs."
  value       = { for zone, bucket in aws_s3_bucket.this : zone => bucket.id }
}

output "bucket_arns" {
  description = "ARNs of the buckets by zone."
  value       = { for zone, bucket in aws_s3_bucket.this : zone => bucket.arn }
}

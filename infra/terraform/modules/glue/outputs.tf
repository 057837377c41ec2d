output "database_names" {
  description = "Catalog databases by layer: landing, staging, curated."
  value       = { for layer, database in aws_glue_catalog_database.this : layer => database.name }
}

output "job_names" {
  description = "Names of the streaming jobs by group."
  value       = { for group, job in aws_glue_job.landing : group => job.name }
}

output "batch_job_names" {
  description = "Names of the batch jobs of the lake."
  value       = { for name, job in aws_glue_job.batch : name => job.name }
}

output "streaming_tables" {
  description = "Tables that each streaming job lands."
  value       = { for name, group in local.groups : name => group.tables }
}

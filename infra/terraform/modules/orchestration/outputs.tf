output "cluster_name" {
  description = "ECS cluster."
  value       = aws_ecs_cluster.this.name
}

output "task_definition_families" {
  description = "Task definition families: dbt and operations."
  value       = { for family, definition in aws_ecs_task_definition.this : family => definition.family }
}

output "state_machine_arn" {
  description = "State machine that runs a command, never two at once; input: family and command."
  value       = aws_sfn_state_machine.run.arn
}

output "schedule_name" {
  description = "Schedule of the dbt build."
  value       = aws_scheduler_schedule.dbt["build"].name
}

output "failed_starts_queue_name" {
  description = "Queue of runs that Scheduler could not start."
  value       = aws_sqs_queue.failed_starts.name
}

output "failed_starts_queue_arn" {
  description = "The same, as Scheduler's targets name it."
  value       = aws_sqs_queue.failed_starts.arn
}

output "environment_file_key" {
  description = "Key of the environment file in the artifacts bucket."
  value       = aws_s3_object.environment.key
}

output "repository_url" {
  description = "ECR repository of the project's image."
  value       = aws_ecr_repository.this.repository_url
}

output "repository_arn" {
  description = "ARN of the ECR repository."
  value       = aws_ecr_repository.this.arn
}

output "log_group_names" {
  description = "Log groups of tasks and runs."
  value       = { tasks = aws_cloudwatch_log_group.tasks.name, runs = aws_cloudwatch_log_group.runs.name }
}

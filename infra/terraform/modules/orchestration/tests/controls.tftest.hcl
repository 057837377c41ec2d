# Controls that must hold; tests/infra/terraform removes each of them and expects its message.

mock_provider "aws" {
  source = "../../testing/mocks"
}

variables {
  name              = "retail-lakehouse-dev"
  region            = "eu-central-1"
  artifacts_bucket  = "artifacts"
  environment_file  = "LAKEHOUSE_ENVIRONMENT=dev"
  role_arns         = { dbt = "arn:aws:iam::123456789012:role/retail-lakehouse-dev-x", operations = "arn:aws:iam::123456789012:role/retail-lakehouse-dev-x", execution = "arn:aws:iam::123456789012:role/retail-lakehouse-dev-x", runner = "arn:aws:iam::123456789012:role/retail-lakehouse-dev-x", scheduler = "arn:aws:iam::123456789012:role/retail-lakehouse-dev-x" }
  dbt_command       = ["dbt", "build", "--target", "dev"]
  audit_command     = ["dbt", "test", "--target", "dev"]
  warehouse_tasks   = { measure = ["lakehouse", "warehouse", "measure"], archive = ["lakehouse", "warehouse", "archive"] }
  subnet_ids        = ["subnet-1", "subnet-2", "subnet-3"]
  security_group_id = "sg-1"
  kms_key_arn       = "arn:aws:kms:eu-central-1:123456789012:key/11111111-2222-3333-4444-555555555555"
  logs_kms_key_arn  = "arn:aws:kms:eu-central-1:123456789012:key/11111111-2222-3333-4444-555555555555"
}

run "tasks" {
  assert {
    condition     = aws_ecr_repository.this.image_tag_mutability == "IMMUTABLE"
    error_message = "control: a tag never changes its image"
  }

  assert {
    condition     = aws_ecr_repository.this.image_scanning_configuration[0].scan_on_push
    error_message = "control: images are scanned"
  }

  assert {
    condition     = aws_ecr_repository.this.encryption_configuration[0].encryption_type == "KMS"
    error_message = "control: images are encrypted"
  }

  assert {
    condition     = alltrue([for definition in aws_ecs_task_definition.this : jsondecode(definition.container_definitions)[0].readonlyRootFilesystem])
    error_message = "control: a container cannot change itself"
  }

  assert {
    condition     = alltrue([for definition in aws_ecs_task_definition.this : !startswith(jsondecode(definition.container_definitions)[0].user, "0")])
    error_message = "control: a container is not root"
  }

  assert {
    condition     = alltrue([for definition in aws_ecs_task_definition.this : jsondecode(definition.container_definitions)[0].environment == []])
    error_message = "control: no setting in the task definition"
  }

  assert {
    condition     = alltrue([for state in ["dbt", "operations"] : jsondecode(aws_sfn_state_machine.run.definition).States[state].Parameters.NetworkConfiguration.AwsvpcConfiguration.AssignPublicIp == "DISABLED"]) && alltrue([for schedule in aws_scheduler_schedule.operation : !schedule.target[0].ecs_parameters[0].network_configuration[0].assign_public_ip])
    error_message = "control: tasks are private"
  }

  assert {
    condition     = jsondecode(aws_sfn_state_machine.run.definition).States.Alone.Choices[1].Next == "AnotherRuns" && jsondecode(aws_sfn_state_machine.run.definition).StartAt == "OtherRuns"
    error_message = "control: never two runs at once"
  }

  assert {
    condition     = aws_scheduler_schedule.dbt["audit"].target[0].input == jsonencode({ family = "dbt", command = var.audit_command, waits = true }) && jsondecode(aws_sfn_state_machine.run.definition).States.Alone.Choices[0].Next == "Wait" && jsondecode(aws_sfn_state_machine.run.definition).States.Wait.Next == "OtherRuns"
    error_message = "control: everything is tested once a week, whatever else runs"
  }

  assert {
    condition     = alltrue([for state in ["dbt", "operations"] : jsondecode(aws_sfn_state_machine.run.definition).States[state].Retry[0].MaxAttempts == 2])
    error_message = "control: a failed run is tried again"
  }

  assert {
    condition     = aws_sfn_state_machine.run.logging_configuration[0].level == "ALL"
    error_message = "control: runs are logged"
  }

  assert {
    condition     = aws_sqs_queue.failed_starts.kms_master_key_id == var.logs_kms_key_arn && alltrue([for schedule in aws_scheduler_schedule.dbt : schedule.target[0].dead_letter_config[0].arn == aws_sqs_queue.failed_starts.arn])
    error_message = "control: a start that failed is kept, encrypted"
  }

  assert {
    condition     = alltrue([for operation in ["compact", "expire"] : jsondecode(aws_scheduler_schedule.operation[operation].target[0].input).containerOverrides[0].command == ["lakehouse", "landing", operation]])
    error_message = "control: the landing zone is looked after"
  }

  assert {
    condition     = alltrue([for task in ["measure", "archive"] : jsondecode(aws_scheduler_schedule.operation[task].target[0].input).containerOverrides[0].command == ["lakehouse", "warehouse", task]])
    error_message = "control: the warehouse is measured and its streams are archived"
  }

  assert {
    condition     = alltrue([for group in [aws_cloudwatch_log_group.tasks, aws_cloudwatch_log_group.runs] : group.kms_key_id == var.logs_kms_key_arn])
    error_message = "control: logs are encrypted"
  }
}

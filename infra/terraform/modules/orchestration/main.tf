# The registry of images, the tasks, and the schedules that start them.
locals {
  scheduled_operations = {
    measure = {
      description = "The warehouse's metrics into CloudWatch."
      schedule    = "rate(${var.measure_minutes} minutes)"
      command     = var.warehouse_tasks.measure
    }
    archive = {
      description = "Moves the streaming views' rows into their archives, and drops of these what landing holds."
      schedule    = "cron(15 3 ? * SUN *)"
      command     = var.warehouse_tasks.archive
    }
    compact = {
      description = "Merges the landing zone's small files of past dates."
      schedule    = "cron(15 1 * * ? *)"
      command     = ["lakehouse", "landing", "compact"]
    }
    expire = {
      description = "Removes the landing zone's files that are older than declared."
      schedule    = "cron(45 1 * * ? *)"
      command     = ["lakehouse", "landing", "expire"]
    }
  }

  scheduled_runs = {
    build = {
      description = "Scheduled dbt build."
      schedule    = var.dbt_schedule
      input       = { family = "dbt", command = var.dbt_command }
    }
    audit = {
      description = "All data tests over everything: a build's look at what is new."
      schedule    = "cron(5 4 ? * SUN *)"
      input       = { family = "dbt", command = var.audit_command, waits = true }
    }
  }

  # Two families, because a dbt run needs less than an operation.
  families = {
    dbt        = { cpu = var.dbt_task.cpu, memory = var.dbt_task.memory }
    operations = { cpu = var.operations_task.cpu, memory = var.operations_task.memory }
  }
}

# ---------------------------------------------------------------------------------------- image

resource "aws_ecr_repository" "this" {
  name                 = var.name
  image_tag_mutability = "IMMUTABLE"
  force_delete         = var.force_destroy

  image_scanning_configuration {
    scan_on_push = true
  }

  encryption_configuration {
    encryption_type = "KMS"
    kms_key         = var.logs_kms_key_arn
  }
}

resource "aws_ecr_lifecycle_policy" "this" {
  repository = aws_ecr_repository.this.name
  policy = jsonencode({
    rules = [{
      rulePriority = 1
      description  = "Keep enough releases to roll back to."
      selection    = { tagStatus = "any", countType = "imageCountMoreThan", countNumber = var.kept_images }
      action       = { type = "expire" }
    }]
  })
}

# ---------------------------------------------------------------------------------------- tasks

resource "aws_cloudwatch_log_group" "tasks" {
  name              = "/${var.name}/tasks"
  retention_in_days = var.log_retention_days
  kms_key_id        = var.logs_kms_key_arn
}

resource "aws_ecs_cluster" "this" {
  name = var.name

  setting {
    name  = "containerInsights"
    value = "enabled"
  }
}

# What a task needs to know, written where it reads it at start: nobody copies an ARN by hand.
resource "aws_s3_object" "environment" {
  bucket       = var.artifacts_bucket
  key          = "environment/${var.name}.env"
  content      = var.environment_file
  content_type = "text/plain"
}

resource "aws_ecs_task_definition" "this" {
  for_each = local.families

  family                   = "${var.name}-${each.key}"
  requires_compatibilities = ["FARGATE"]
  network_mode             = "awsvpc"
  cpu                      = each.value.cpu
  memory                   = each.value.memory
  execution_role_arn       = var.role_arns["execution"]
  task_role_arn            = var.role_arns[each.key]
  track_latest             = true

  runtime_platform {
    operating_system_family = "LINUX"
    cpu_architecture        = "X86_64"
  }

  # dbt, Ansible and Python write here and nowhere else.
  volume {
    name = "work"
  }

  container_definitions = jsonencode([{
    name                   = "lakehouse"
    image                  = "${aws_ecr_repository.this.repository_url}:${var.release}"
    essential              = true
    readonlyRootFilesystem = true
    user                   = "10001:10001"
    environment            = []
    environmentFiles       = [{ type = "s3", value = "arn:aws:s3:::${var.artifacts_bucket}/${aws_s3_object.environment.key}" }]
    mountPoints            = [{ sourceVolume = "work", containerPath = "/tmp", readOnly = false }]
    portMappings           = []
    systemControls         = []
    volumesFrom            = []
    linuxParameters        = { initProcessEnabled = true }
    stopTimeout            = 120
    logConfiguration = {
      logDriver = "awslogs"
      options = {
        "awslogs-group"         = aws_cloudwatch_log_group.tasks.name
        "awslogs-region"        = var.region
        "awslogs-stream-prefix" = each.key
      }
    }
  }])

  lifecycle {
    # A deployment registers a revision with another image; an apply neither makes nor undoes one.
    ignore_changes = [container_definitions]
  }
}

# ----------------------------------------------------------------------------- one run at a time

resource "aws_cloudwatch_log_group" "runs" {
  name              = "/${var.name}/runs"
  retention_in_days = var.log_retention_days
  kms_key_id        = var.logs_kms_key_arn
}

# Scheduler retries only the start of a task, not a task that failed, and starts one beside another
# that still runs. So it starts this machine: it looks whether another run is under way, runs the
# task, waits for its end and tries again. dbt's own run lock holds even if this fails.
resource "aws_sfn_state_machine" "run" {
  name     = "${var.name}-run"
  role_arn = var.role_arns["runner"]
  type     = "STANDARD"

  definition = jsonencode({
    Comment        = "Runs a command of the project's image, never two at once."
    StartAt        = "OtherRuns"
    TimeoutSeconds = var.run_timeout_seconds
    States = {
      OtherRuns = {
        Type     = "Task"
        Resource = "arn:aws:states:::aws-sdk:sfn:listExecutions"
        Parameters = {
          "StateMachineArn.$" = "$$.StateMachine.Id"
          StatusFilter        = "RUNNING"
          MaxResults          = 2
        }
        ResultPath = "$.runs"
        Retry      = [{ ErrorEquals = ["States.TaskFailed"], IntervalSeconds = 5, MaxAttempts = 3, BackoffRate = 2 }]
        Next       = "Alone"
      }
      Alone = {
        Type = "Choice"
        Choices = [
          {
            And  = [{ Variable = "$.runs.Executions[1]", IsPresent = true }, { Variable = "$.waits", IsPresent = true }]
            Next = "Wait"
          },
          { Variable = "$.runs.Executions[1]", IsPresent = true, Next = "AnotherRuns" },
        ]
        Default = "Family"
      }
      # What runs once a week does not give way to what runs each quarter of an hour.
      Wait = { Type = "Wait", Seconds = 60, Next = "OtherRuns" }
      # No failure: the next scheduled run does the work, alarms watch the age of the last success.
      AnotherRuns = { Type = "Succeed", Comment = "Another run is under way." }
      Family = {
        Type    = "Choice"
        Choices = [{ Variable = "$.family", StringEquals = "operations", Next = "operations" }]
        Default = "dbt"
      }
      dbt        = local.run_state["dbt"]
      operations = local.run_state["operations"]
      Done       = { Type = "Succeed" }
    }
  })

  logging_configuration {
    log_destination        = "${aws_cloudwatch_log_group.runs.arn}:*"
    include_execution_data = true
    level                  = "ALL"
  }

  tracing_configuration {
    enabled = true
  }
}

locals {
  run_state = {
    for family in keys(local.families) : family => {
      Type     = "Task"
      Resource = "arn:aws:states:::ecs:runTask.sync"
      Parameters = {
        Cluster        = aws_ecs_cluster.this.arn
        TaskDefinition = "${var.name}-${family}"
        LaunchType     = "FARGATE"
        PropagateTags  = "TASK_DEFINITION"
        NetworkConfiguration = {
          AwsvpcConfiguration = {
            Subnets        = var.subnet_ids
            SecurityGroups = [var.security_group_id]
            AssignPublicIp = "DISABLED"
          }
        }
        Overrides = {
          ContainerOverrides = [{ Name = "lakehouse", "Command.$" = "$.command" }]
        }
      }
      ResultPath = "$.task"
      Retry = [{
        ErrorEquals     = ["States.TaskFailed", "ECS.AmazonECSException"]
        IntervalSeconds = var.retry_interval_seconds
        MaxAttempts     = var.retries
        BackoffRate     = 2
      }]
      Next = "Done"
    }
  }
}

resource "aws_sqs_queue" "failed_starts" {
  name                      = "${var.name}-failed-starts"
  message_retention_seconds = 1209600
  kms_master_key_id         = var.logs_kms_key_arn
}

# EventBridge writes what it could not deliver by the queue's policy, not by a role (Amazon EventBridge
# User Guide, "Using dead-letter queues to process undelivered events").
resource "aws_sqs_queue_policy" "failed_starts" {
  queue_url = aws_sqs_queue.failed_starts.id
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Sid       = "UndeliveredEventsOfThisEnvironment"
      Effect    = "Allow"
      Principal = { Service = "events.amazonaws.com" }
      Action    = "sqs:SendMessage"
      Resource  = aws_sqs_queue.failed_starts.arn
      Condition = { ArnLike = { "aws:SourceArn" = "${replace(replace(aws_sqs_queue.failed_starts.arn, ":sqs:", ":events:"), "/:[^:]*$/", "")}:rule/${var.name}-*" } }
    }]
  })
}

resource "aws_scheduler_schedule" "dbt" {
  for_each = local.scheduled_runs

  name                         = "${var.name}-dbt-${each.key}"
  description                  = each.value.description
  schedule_expression          = each.value.schedule
  schedule_expression_timezone = "UTC"
  state                        = var.dbt_schedule_enabled ? "ENABLED" : "DISABLED"
  kms_key_arn                  = var.kms_key_arn

  flexible_time_window {
    mode = "OFF"
  }

  target {
    arn      = aws_sfn_state_machine.run.arn
    role_arn = var.role_arns["scheduler"]
    input    = jsonencode(each.value.input)

    retry_policy {
      maximum_retry_attempts       = 3
      maximum_event_age_in_seconds = 900
    }

    dead_letter_config {
      arn = aws_sqs_queue.failed_starts.arn
    }
  }
}

# Beside the runs: the measurement must also see a run that hangs, and readers of the landing zone
# need not stand still while its files are merged or leave.
resource "aws_scheduler_schedule" "operation" {
  for_each = local.scheduled_operations

  name                         = "${var.name}-${each.key}"
  description                  = each.value.description
  schedule_expression          = each.value.schedule
  schedule_expression_timezone = "UTC"
  state                        = var.dbt_schedule_enabled ? "ENABLED" : "DISABLED"
  kms_key_arn                  = var.kms_key_arn

  flexible_time_window {
    mode = "OFF"
  }

  target {
    arn      = aws_ecs_cluster.this.arn
    role_arn = var.role_arns["scheduler"]
    input    = jsonencode({ containerOverrides = [{ name = "lakehouse", command = each.value.command }] })

    ecs_parameters {
      # Without a revision: the newest, which a deployment has registered.
      task_definition_arn = aws_ecs_task_definition.this["operations"].arn_without_revision
      launch_type         = "FARGATE"
      propagate_tags      = "TASK_DEFINITION"

      network_configuration {
        subnets          = var.subnet_ids
        security_groups  = [var.security_group_id]
        assign_public_ip = false
      }
    }

    # What one run leaves undone the next one does.
    retry_policy {
      maximum_retry_attempts       = 0
      maximum_event_age_in_seconds = 60
    }

    dead_letter_config {
      arn = aws_sqs_queue.failed_starts.arn
    }
  }
}

# Controls that must hold; tests/infra/terraform removes each of them and expects its message.

mock_provider "aws" {
  source = "../../testing/mocks"
}

variables {
  name                     = "retail-lakehouse-dev"
  environment              = "dev"
  account_id               = "123456789012"
  region                   = "eu-central-1"
  logs_kms_key_arn         = "arn:aws:kms:eu-central-1:123456789012:key/11111111-2222-3333-4444-555555555555"
  runbook_url              = "https://github.com/example-org/retail-lakehouse/blob/main/docs/runbooks/operations.md"
  metrics_namespace        = "RetailLakehouse"
  measure_minutes          = 15
  warehouse                = { mode = "serverless" }
  landing_jobs             = { order-cdc = "retail-lakehouse-dev-landing-order-cdc" }
  monthly_budget_usd       = 100
  msk_cluster_name         = "retail-lakehouse-dev"
  connector_name           = "retail-lakehouse-dev-sqlserver"
  state_machine_arn        = "arn:aws:states:eu-central-1:123456789012:stateMachine:retail-lakehouse-dev-run"
  failed_starts_queue_name = "retail-lakehouse-dev-failed-starts"
  glue_job_names           = ["retail-lakehouse-dev-landing-order-cdc"]
}

run "alarms" {
  assert {
    condition     = alltrue([for alarm in aws_cloudwatch_metric_alarm.this : strcontains(alarm.alarm_description, "${var.runbook_url}#")])
    error_message = "control: each alarm links its runbook"
  }

  assert {
    condition     = alltrue([for alarm in aws_cloudwatch_metric_alarm.this : contains(alarm.alarm_actions, aws_sns_topic.alarms.arn)])
    error_message = "control: each alarm tells somebody"
  }

  assert {
    condition     = aws_sns_topic.alarms.kms_master_key_id == var.logs_kms_key_arn
    error_message = "control: alarms are encrypted"
  }

  assert {
    condition     = anytrue([for statement in jsondecode(aws_sns_topic_policy.alarms.policy).Statement : statement.Effect == "Deny" && try(statement.Condition.Bool["aws:SecureTransport"], "") == "false"])
    error_message = "control: alarms travel by TLS only"
  }

  assert {
    condition     = alltrue([for name in ["landing-lag-order-cdc", "consumer-lag-order-cdc", "streaming-view-errors", "streaming-view-stopped", "streaming-view-stale", "archive-overdue", "quarantine-growth", "schema-drift", "stale-marts", "connector-down"] : aws_cloudwatch_metric_alarm.this[name].treat_missing_data == "breaching"])
    error_message = "control: silence is an alarm"
  }

  assert {
    condition     = length(setsubtract(["landing-lag-order-cdc", "consumer-lag-order-cdc", "lost-records", "stale-marts", "connector-down", "job-failed", "dbt-failed", "streaming-view-errors", "streaming-view-stopped", "streaming-view-stale", "archive-overdue", "quarantine-growth", "schema-drift", "broker-disk-1", "broker-disk-2", "broker-disk-3", "broker-cpu-1"], keys(aws_cloudwatch_metric_alarm.this))) == 0
    error_message = "the alarms that are asked for"
  }

  assert {
    condition     = anytrue([for statement in jsondecode(aws_sns_topic_policy.alarms.policy).Statement : statement.Effect == "Allow" && statement.Principal == { Service = "events.amazonaws.com" } && !can(statement.Condition)])
    error_message = "control: events reach the topic"
  }

  assert {
    condition     = length(aws_budgets_budget.this.notification) == 2
    error_message = "control: the budget warns"
  }
}

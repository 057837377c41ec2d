# Values that a module must not accept, each with the check that refuses it.

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
  failed_starts_queue_arn  = "arn:aws:sqs:eu-central-1:123456789012:retail-lakehouse-dev-failed-starts"
  glue_job_names           = ["retail-lakehouse-dev-landing-order-cdc"]
}

run "a_plain_runbook" {
  command = plan

  variables {
    runbook_url = "http://x/docs/runbooks/operations.md"
  }

  expect_failures = [var.runbook_url]
}

run "an_address_that_is_none" {
  command = plan

  variables {
    alarm_emails = ["duty"]
  }

  expect_failures = [var.alarm_emails]
}

run "a_disk_alarm_too_late" {
  command = plan

  variables {
    thresholds = { broker_disk_percent = 99 }
  }

  expect_failures = [var.thresholds]
}

run "a_limit_of_nothing" {
  command = plan

  variables {
    thresholds = { landing_lag_seconds = 0 }
  }

  expect_failures = [var.thresholds]
}

run "no_budget" {
  command = plan

  variables {
    monthly_budget_usd = 0
  }

  expect_failures = [var.monthly_budget_usd]
}

run "no_job" {
  command = plan

  variables {
    glue_job_names = []
  }

  expect_failures = [var.glue_job_names]
}

run "no_landing_job" {
  command = plan

  variables {
    landing_jobs = {}
  }

  expect_failures = [var.landing_jobs]
}

run "a_warehouse_that_is_none" {
  command = plan

  variables {
    warehouse = { mode = "cluster" }
  }

  expect_failures = [var.warehouse]
}

run "a_queue_that_is_none" {
  command = plan

  variables {
    failed_starts_queue_arn = "retail-lakehouse-dev-failed-starts"
  }

  expect_failures = [var.failed_starts_queue_arn]
}

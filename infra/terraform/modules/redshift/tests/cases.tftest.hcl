# What a module refuses, each with the check that refuses it; then what no environment's plan shows: other sizes,
# what is there already, what is off.

mock_provider "aws" {
  source = "../../testing/mocks"
}

variables {
  name                    = "retail-lakehouse-dev"
  mode                    = "provisioned"
  role_arn                = "arn:aws:iam::123456789012:role/retail-lakehouse-dev-x"
  scheduler_role_arn      = "arn:aws:iam::123456789012:role/retail-lakehouse-dev-scheduler"
  subnet_ids              = ["subnet-1", "subnet-2", "subnet-3"]
  security_group_id       = "sg-1"
  kms_key_arn             = "arn:aws:kms:eu-central-1:123456789012:key/11111111-2222-3333-4444-555555555555"
  secrets_kms_key_arn     = "arn:aws:kms:eu-central-1:123456789012:key/11111111-2222-3333-4444-555555555555"
  failed_starts_queue_arn = "arn:aws:sqs:eu-central-1:123456789012:retail-lakehouse-dev-failed-starts"
  logs_kms_key_arn        = "arn:aws:kms:eu-central-1:123456789012:key/11111111-2222-3333-4444-555555555555"
}

run "an_unknown_mode" {
  command = plan

  variables {
    mode = "cluster"
  }

  expect_failures = [var.mode]
}

run "a_limit_that_switches_off_each_day" {
  command = plan

  variables {
    mode       = "serverless"
    serverless = { base_rpus = 8, rpu_hours_per_day = 191, breach_action = "deactivate" }
  }

  expect_failures = [var.serverless]
}

run "existing_without_its_address" {
  command = plan

  variables {
    mode = "existing"
  }

  expect_failures = [var.existing]
}

run "an_address_without_mode_existing" {
  command = plan

  variables {
    existing = { host = "x", cluster_identifier = "x", admin_secret_arn = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:redshift!x" }
  }

  expect_failures = [var.existing]
}

run "an_administrator_whose_login_no_task_may_read" {
  command = plan

  variables {
    mode     = "existing"
    existing = { host = "x", cluster_identifier = "x", admin_secret_arn = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:theirs" }
  }

  expect_failures = [var.existing]
}

run "a_dense_compute_node" {
  command = plan

  variables {
    provisioned = { node_type = "dc2.large" }
  }

  expect_failures = [var.provisioned]
}

run "one_node_of_a_kind_that_needs_two" {
  command = plan

  variables {
    provisioned = { node_type = "rg.xlarge", nodes = 1 }
  }

  expect_failures = [var.provisioned]
}

run "no_snapshots" {
  command = plan

  variables {
    snapshot_retention_days = 0
  }

  expect_failures = [var.snapshot_retention_days]
}

run "a_limit_of_nothing" {
  command = plan

  variables {
    serverless = { rpu_hours_per_day = 0 }
  }

  expect_failures = [var.serverless]
}

run "less_than_the_base" {
  command = plan

  variables {
    serverless = { base_rpus = 32, max_rpus = 8 }
  }

  expect_failures = [var.serverless]
}

run "a_reserved_administrator" {
  command = plan

  variables {
    admin_username = "admin"
  }

  expect_failures = [var.admin_username]
}

run "a_database_with_capitals" {
  command = plan

  variables {
    database = "Lakehouse"
  }

  expect_failures = [var.database]
}

run "two_subnets" {
  command = plan

  variables {
    subnet_ids = ["subnet-1", "subnet-2"]
  }

  expect_failures = [var.subnet_ids]
}

run "snapshots_now_and_then" {
  command = plan

  variables {
    mode       = "serverless"
    serverless = { snapshot_schedule = "daily" }
  }

  expect_failures = [var.serverless]
}

run "existing" {
  variables {
    mode     = "existing"
    existing = { host = "theirs.example.org", cluster_identifier = "theirs", admin_secret_arn = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:redshift!theirs" }
  }

  assert {
    condition     = length(aws_redshift_cluster.this) == 0 && length(aws_redshiftserverless_namespace.this) == 0 && output.endpoint.host == "theirs.example.org"
    error_message = "an existing warehouse is handed on"
  }
}

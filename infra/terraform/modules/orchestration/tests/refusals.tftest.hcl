# Values that a module must not accept, each with the check that refuses it.

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

run "the_tag_latest" {
  command = plan

  variables {
    release = "latest"
  }

  expect_failures = [var.release]
}

run "a_quoted_setting" {
  command = plan

  variables {
    environment_file = "LAKEHOUSE_ENVIRONMENT=\"dev\""
  }

  expect_failures = [var.environment_file]
}

run "another_setting" {
  command = plan

  variables {
    environment_file = "PASSWORD=x"
  }

  expect_failures = [var.environment_file]
}

run "a_size_that_fargate_lacks" {
  command = plan

  variables {
    dbt_task = { cpu = 1024, memory = 1024 }
  }

  expect_failures = [var.dbt_task]
}

run "a_schedule_that_is_none" {
  command = plan

  variables {
    dbt_schedule = "hourly"
  }

  expect_failures = [var.dbt_schedule]
}

run "a_hundred_retries" {
  command = plan

  variables {
    retries = 100
  }

  expect_failures = [var.retries]
}

run "one_image_to_roll_back_to" {
  command = plan

  variables {
    kept_images = 1
  }

  expect_failures = [var.kept_images]
}

run "a_run_of_a_minute" {
  command = plan

  variables {
    run_timeout_seconds = 60
  }

  expect_failures = [var.run_timeout_seconds]
}

run "no_command" {
  command = plan

  variables {
    dbt_command = []
  }

  expect_failures = [var.dbt_command]
}

run "no_audit" {
  command = plan

  variables {
    audit_command = []
  }

  expect_failures = [var.audit_command]
}

run "a_measurement_a_second" {
  command = plan

  variables {
    measure_minutes = 1
  }

  expect_failures = [var.measure_minutes]
}

run "no_measurement" {
  command = plan

  variables {
    warehouse_tasks = { measure = [], archive = ["lakehouse"] }
  }

  expect_failures = [var.warehouse_tasks]
}

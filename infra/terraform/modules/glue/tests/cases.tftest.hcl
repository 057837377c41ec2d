# What a module refuses, each with the check that refuses it; then what no environment's plan shows: other sizes,
# what is there already, what is off.

mock_provider "aws" {
  source = "../../testing/mocks"
}

variables {
  name              = "retail-lakehouse-dev"
  account_id        = "123456789012"
  kms_key_arn       = "arn:aws:kms:eu-central-1:123456789012:key/11111111-2222-3333-4444-555555555555"
  logs_kms_key_arn  = "arn:aws:kms:eu-central-1:123456789012:key/11111111-2222-3333-4444-555555555555"
  bucket_names      = { landing = "landing", artifacts = "artifacts" }
  role_arns         = { landing = "arn:aws:iam::123456789012:role/retail-lakehouse-dev-x" }
  declarations_file = "_retail__sources.yml"
  tables            = { customers = "Customers.", orders = "Orders.", payments = "Payments." }
  streaming_groups  = { customer-cdc = { tables = ["customers"] }, order-cdc = {} }
  job_arguments     = { bootstrap_servers = "b-1:9098", kafka_auth = "iam", source = "sqlserver", landing = "s3a://landing/landing", checkpoints = "s3a://landing/checkpoints" }
  availability_zone = "eu-central-1a"
  subnet_id         = "subnet-1"
  security_group_id = "sg-1"
}

run "a_catalog_with_another_key" {
  command = plan

  variables {
    encrypt_catalog = false
  }

  override_data {
    target = data.aws_glue_data_catalog_encryption_settings.this
    values = {
      data_catalog_encryption_settings = [{
        encryption_at_rest = [{
          catalog_encryption_mode = "SSE-KMS"
          sse_aws_kms_key_id      = "arn:aws:kms:eu-central-1:123456789012:key/66666666-2222-3333-4444-555555555555"
        }]
      }]
    }
  }

  expect_failures = [aws_glue_security_configuration.this]
}

run "a_table_in_two_groups" {
  command = plan

  variables {
    streaming_groups = { a = { tables = ["customers"] }, b = { tables = ["customers"] }, c = {} }
  }

  expect_failures = [aws_glue_job.landing]
}

run "a_table_that_is_not_declared" {
  command = plan

  variables {
    streaming_groups = { a = { tables = ["refunds"] }, b = {} }
  }

  expect_failures = [aws_glue_job.landing]
}

run "a_table_that_no_group_lands" {
  command = plan

  variables {
    streaming_groups = { a = { tables = ["customers"] } }
  }

  expect_failures = [aws_glue_job.landing]
}

run "two_groups_for_the_rest" {
  command = plan

  variables {
    streaming_groups = { a = {}, b = {} }
  }

  expect_failures = [var.streaming_groups]
}

run "one_worker" {
  command = plan

  variables {
    streaming_groups = { a = { workers = 1 } }
  }

  expect_failures = [var.streaming_groups]
}

run "a_worker_that_the_provider_refuses" {
  command = plan

  variables {
    streaming_groups = { a = { worker_type = "R.1X" } }
  }

  expect_failures = [var.streaming_groups]
}

run "a_window_without_an_hour" {
  command = plan

  variables {
    streaming_groups = { a = { maintenance_window = "Sunday" } }
  }

  expect_failures = [var.streaming_groups]
}

run "landing_without_a_role" {
  command = plan

  variables {
    role_arns = {}
  }

  expect_failures = [var.role_arns]
}

run "a_lake_without_its_roles" {
  command = plan

  variables {
    optimized_tables = ["dim_customer"]
  }

  expect_failures = [var.role_arns]
}

run "an_unknown_batch_job" {
  command = plan

  variables {
    batch_jobs = { other = { description = "x", script = "x.py" } }
  }

  expect_failures = [var.batch_jobs]
}

run "a_jar_that_jobs_may_not_read" {
  command = plan

  variables {
    msk_iam_jar_key = "jars/x.jar"
  }

  expect_failures = [var.msk_iam_jar_key]
}

run "a_job_without_brokers" {
  command = plan

  variables {
    job_arguments = { landing = "s3a://a", checkpoints = "s3a://b" }
  }

  expect_failures = [var.job_arguments]
}

run "a_dependency_that_is_no_wheel" {
  command = plan

  variables {
    dependencies = "wheels.zip"
  }

  expect_failures = [var.dependencies]
}

run "a_wheel_that_is_none" {
  command = plan

  variables {
    wheel = "lakehouse.tar.gz"
  }

  expect_failures = [var.wheel]
}

run "jobs" {
  assert {
    condition     = alltrue([for job in aws_glue_job.landing : job.default_arguments["--additional-python-modules"] == "s3://artifacts/glue/initial/dependencies.gluewheels.zip" && job.default_arguments["--python-modules-installer-option"] == "--no-index"])
    error_message = "jobs install what the release brings, from nowhere else"
  }

  assert {
    condition     = aws_glue_job.landing["customer-cdc"].default_arguments["--tables"] == "customers" && aws_glue_job.landing["order-cdc"].default_arguments["--all_but"] == "customers" && !can(aws_glue_job.landing["order-cdc"].default_arguments["--tables"])
    error_message = "which tables are the rest, the release says"
  }

  assert {
    condition     = jsonencode(output.streaming_tables) == jsonencode({ customer-cdc = ["customers"], order-cdc = ["orders", "payments"] })
    error_message = "a group without tables takes the rest"
  }
}

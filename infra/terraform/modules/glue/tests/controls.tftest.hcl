# Controls that must hold; tests/infra/terraform removes each of them and expects its message.

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

run "jobs" {
  assert {
    condition     = aws_glue_security_configuration.this.encryption_configuration[0].s3_encryption[0].s3_encryption_mode == "SSE-KMS"
    error_message = "control: what jobs write is encrypted"
  }

  assert {
    condition     = aws_glue_security_configuration.this.encryption_configuration[0].cloudwatch_encryption[0].cloudwatch_encryption_mode == "SSE-KMS"
    error_message = "control: what jobs log is encrypted"
  }

  assert {
    condition     = aws_glue_security_configuration.this.encryption_configuration[0].job_bookmarks_encryption[0].job_bookmarks_encryption_mode == "CSE-KMS"
    error_message = "control: bookmarks are encrypted"
  }

  assert {
    condition     = toset([for group in aws_cloudwatch_log_group.jobs : group.name]) == toset([for kind in ["error", "output"] : "/aws-glue/jobs/retail-lakehouse-dev-role/retail-lakehouse-dev-landing/${kind}"]) && alltrue([for group in aws_cloudwatch_log_group.jobs : group.kms_key_id == var.logs_kms_key_arn && group.retention_in_days == 365])
    error_message = "control: jobs' logs are encrypted and end"
  }

  assert {
    condition     = alltrue([for job in aws_glue_job.landing : job.security_configuration == aws_glue_security_configuration.this.name])
    error_message = "control: jobs use the security configuration"
  }

  assert {
    condition     = aws_glue_data_catalog_encryption_settings.this[0].data_catalog_encryption_settings[0].encryption_at_rest[0].catalog_encryption_mode == "SSE-KMS"
    error_message = "control: the catalog is encrypted"
  }

  assert {
    condition     = alltrue([for job in aws_glue_job.landing : job.execution_property[0].max_concurrent_runs == 1])
    error_message = "control: one run of a job at a time"
  }

  assert {
    condition     = alltrue([for job in aws_glue_job.landing : job.command[0].name == "gluestreaming" && job.glue_version == "6.0"])
    error_message = "control: landing jobs stream"
  }

  assert {
    condition     = aws_glue_connection.network.connection_type == "NETWORK"
    error_message = "control: jobs run in the private network"
  }

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

run "lake" {
  variables {
    role_arns        = { for role in ["landing", "batch", "optimizer"] : role => "arn:aws:iam::123456789012:role/retail-lakehouse-dev-${role}" }
    batch_jobs       = { landing-to-staging = { description = "Landing to staging.", script = "stage.py" } }
    optimized_tables = ["dim_customer"]
  }

  assert {
    condition     = aws_glue_job.batch["landing-to-staging"].command[0].name == "glueetl" && length(aws_glue_catalog_table_optimizer.this) == 3 && length(aws_cloudwatch_log_group.jobs) == 4
    error_message = "batch jobs, their logs and optimizers come with the lake target"
  }
}

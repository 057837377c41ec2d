# What no environment's plan shows: other sizes, what is there already, what is off.

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

# Values that a module must not accept, each with the check that refuses it.

mock_provider "aws" {
  source = "../../testing/mocks"
}

variables {
  name        = "retail-lakehouse-dev"
  account_id  = "123456789012"
  kms_key_arn = "arn:aws:kms:eu-central-1:123456789012:key/11111111-2222-3333-4444-555555555555"
  tables      = ["customers", "debezium_heartbeat"]
}

run "a_key_that_is_none" {
  command = plan

  variables {
    kms_key_arn = "alias/mine"
  }

  expect_failures = [var.kms_key_arn]
}

run "no_table" {
  command = plan

  variables {
    tables = []
  }

  expect_failures = [var.tables]
}

run "a_table_with_a_slash" {
  command = plan

  variables {
    tables = ["a/b"]
  }

  expect_failures = [var.tables]
}

run "logs_for_a_week" {
  command = plan

  variables {
    log_retention_days = 7
  }

  expect_failures = [var.log_retention_days]
}

run "a_nested_landing_prefix" {
  command = plan

  variables {
    landing_prefix = "a/b"
  }

  expect_failures = [var.landing_prefix]
}

run "a_short_account" {
  command = plan

  variables {
    account_id = "123"
  }

  expect_failures = [var.account_id]
}

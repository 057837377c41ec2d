# Values that a module must not accept, each with the check that refuses it.

mock_provider "aws" {
  source = "../../testing/mocks"
}

variables {
  name       = "retail-lakehouse-dev"
  account_id = "123456789012"
  region     = "eu-central-1"
}

run "a_name_with_capitals" {
  command = plan

  variables {
    name = "Retail"
  }

  expect_failures = [var.name]
}

run "rotation_every_month" {
  command = plan

  variables {
    rotation_period_in_days = 30
  }

  expect_failures = [var.rotation_period_in_days]
}

run "deletion_at_once" {
  command = plan

  variables {
    deletion_window_in_days = 1
  }

  expect_failures = [var.deletion_window_in_days]
}

run "a_region_that_is_none" {
  command = plan

  variables {
    region = "Frankfurt"
  }

  expect_failures = [var.region]
}

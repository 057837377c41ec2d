# Values that this root must not accept, each with the check that refuses it.

mock_provider "aws" {
  source = "../testing/mocks"
}

variables {
  environment       = "prod"
  region            = "eu-west-1"
  source_account_id = "210987654321"
}

run "the_environment_s_own_account" {
  command = plan

  variables {
    source_account_id = "123456789012"
  }

  expect_failures = [var.source_account_id]
}

run "a_lock_longer_than_the_declared_retention" {
  command = plan

  variables {
    lock_days = 731
  }

  expect_failures = [var.lock_days]
}

run "a_lock_longer_than_the_shortest_of_several_retentions" {
  command = plan

  override_module {
    target = module.declarations
    outputs = {
      tables           = { short = { landing_retention_days = 89 }, long = { landing_retention_days = 730 } }
      connector_topics = {}
    }
  }

  expect_failures = [var.lock_days]
}

run "an_account_as_reader" {
  command = plan

  variables {
    readers = ["arn:aws:iam::210987654321:root"]
  }

  expect_failures = [var.readers]
}

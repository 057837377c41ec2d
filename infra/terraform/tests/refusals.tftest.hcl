# Values that a module must not accept, each with the check that refuses it.

mock_provider "aws" {
  source = "testing/mocks"
}

mock_provider "aws" {
  alias  = "credentials"
  source = "testing/mocks"
}

variables {
  environment          = "dev"
  region               = "eu-central-1"
  github_repository    = "example-org/retail-lakehouse"
  github_repository_id = "123456789"
  deletion_protection  = true
  network              = { azure_sql = { egress = "nat", cidr_blocks = ["203.0.113.0/24"] } }
  redshift             = { mode = "serverless" }
  streaming_groups     = { order-cdc = {} }
  alarms               = { monthly_budget_usd = 100, emails = ["on-call@example.com"] }
  other_account_ids    = ["210987654321"]
  landing_replica      = { account_id = "999988887777", bucket = "x", key_arn = "arn:aws:kms:eu-west-1:999988887777:key/0" }
}

run "an_environment_that_is_none" {
  command = plan

  variables {
    environment = "test"
  }

  expect_failures = [var.environment]
}

run "credentials_of_another_account" {
  command = plan

  variables {
    account_ids = ["210987654321"]
  }

  expect_failures = [var.account_ids]
}

run "prod_in_an_account_that_is_shared" {
  command = plan

  variables {
    environment       = "prod"
    other_account_ids = ["123456789012"]
  }

  expect_failures = [var.account_ids]
}

run "prod_that_does_not_say_whose_account_it_is" {
  command = plan

  variables {
    environment       = "prod"
    other_account_ids = []
  }

  expect_failures = [var.other_account_ids]
}

run "prod_without_protection" {
  command = plan

  variables {
    environment         = "prod"
    deletion_protection = false
  }

  expect_failures = [var.deletion_protection]
}

run "prod_that_tells_nobody" {
  command = plan

  variables {
    environment         = "prod"
    deletion_protection = true
    alarms              = { monthly_budget_usd = 100 }
  }

  expect_failures = [var.alarms]
}

run "every_repository" {
  command = plan

  variables {
    github_repository = "example-org/*"
  }

  expect_failures = [var.github_repository]
}

run "a_project_that_is_too_long" {
  command = plan

  variables {
    project = "a-retail-lakehouse-with-a-long-name"
  }

  expect_failures = [var.project]
}

run "an_owner_with_a_number_and_a_repository_without" {
  command = plan

  variables {
    github_repository = "example-org@1/retail-lakehouse"
  }

  expect_failures = [var.github_repository]
}

run "another_number" {
  command = plan

  variables {
    github_repository = "example-org@1/retail-lakehouse@1123456789"
  }

  expect_failures = [var.github_repository]
}

run "a_repository_id_that_is_none" {
  command = plan

  variables {
    github_repository_id = "*"
  }

  expect_failures = [var.github_repository_id]
}

run "prod_without_a_copy_of_the_landing_zone" {
  command = plan

  variables {
    environment     = "prod"
    landing_replica = null
  }

  expect_failures = [var.landing_replica]
}

run "a_copy_in_the_same_account" {
  command = plan

  variables {
    landing_replica = { account_id = "123456789012", bucket = "x", key_arn = "arn:aws:kms:eu-central-1:123456789012:key/0" }
  }

  expect_failures = [var.landing_replica]
}

run "a_copy_with_a_key_of_neither" {
  command = plan

  variables {
    landing_replica = { account_id = "999988887777", bucket = "x", key_arn = "arn:aws:kms:eu-central-1:210987654321:key/0" }
  }

  expect_failures = [var.landing_replica]
}

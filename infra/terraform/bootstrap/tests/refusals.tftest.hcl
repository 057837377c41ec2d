# Who may apply, and the boundary that nobody leaves.

# The state's bucket must not be destroyed, not even by a test: it is only planned.
mock_provider "aws" {
  source          = "../testing/mocks"
  override_during = plan
}

variables {
  environment       = "dev"
  region            = "eu-central-1"
  account_ids       = ["123456789012"]
  github_repository = "shop/retail-lakehouse"

  github_repository_id = "123456789"
}

# Repositories made or renamed since 2026-07-15: GitHub's tokens name them with their numbers.
run "prod_without_protection" {
  command = plan

  variables {
    environment         = "prod"
    deletion_protection = false
  }

  expect_failures = [var.deletion_protection]
}

run "an_account_that_nobody_has_filled_in" {
  command = plan

  variables {
    account_ids = ["<account>"]
  }

  expect_failures = [var.account_ids]
}

run "the_example_of_the_tfvars" {
  command = plan

  variables {
    github_repository = "example-org@987654321/retail-lakehouse@123456789"
  }

  expect_failures = [var.github_repository]
}

run "every_repository_of_an_owner" {
  command = plan

  variables {
    github_repository = "shop/*"
  }

  expect_failures = [var.github_repository]
}

run "an_owner_with_a_number_and_a_repository_without" {
  command = plan

  variables {
    github_repository = "shop@1/retail-lakehouse"
  }

  expect_failures = [var.github_repository]
}

run "another_number" {
  command = plan

  variables {
    github_repository = "shop@1/retail-lakehouse@1123456789"
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

run "an_account_as_a_person" {
  command = plan

  variables {
    break_glass_principals = ["arn:aws:iam::123456789012:root"]
  }

  expect_failures = [var.break_glass_principals]
}

run "every_user_as_a_person" {
  command = plan

  variables {
    break_glass_principals = ["arn:aws:iam::123456789012:user/*"]
  }

  expect_failures = [var.break_glass_principals]
}

run "a_role_as_a_person" {
  command = plan

  variables {
    break_glass_principals = ["arn:aws:iam::123456789012:role/aws-reserved/sso.amazonaws.com/administrator"]
  }

  expect_failures = [var.break_glass_principals]
}

run "a_person_of_another_account" {
  command = plan

  variables {
    break_glass_principals = ["arn:aws:iam::210987654321:user/ada"]
  }

  expect_failures = [var.break_glass_principals]
}

run "a_person_of_an_account_that_is_named" {
  command = plan

  variables {
    break_glass_principals  = ["arn:aws:iam::210987654321:user/ada"]
    break_glass_account_ids = ["210987654321"]
  }

  assert {
    condition     = length(aws_iam_role.break_glass) == 1
    error_message = "no role for a person of an account that is named"
  }
}

run "a_key_of_any_kind_for_copies" {
  command = plan

  variables {
    replica_key_arn = "arn:aws:kms:eu-west-1:999988887777:key/*"
  }

  expect_failures = [var.replica_key_arn]
}

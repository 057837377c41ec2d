# What a module refuses, each with the check that refuses it; then what no environment's plan shows: other sizes,
# what is there already, what is off.

mock_provider "aws" {
  source = "../../testing/mocks"
}

variables {
  name        = "retail-lakehouse-dev"
  account_id  = "123456789012"
  kms_key_arn = "arn:aws:kms:eu-central-1:123456789012:key/11111111-2222-3333-4444-555555555555"
}

run "deletion_at_once" {
  command = plan

  variables {
    recovery_window_in_days = 0
  }

  expect_failures = [var.recovery_window_in_days]
}

run "a_key_that_is_none" {
  command = plan

  variables {
    kms_key_arn = "alias/mine"
  }

  expect_failures = [var.kms_key_arn]
}

run "rotation_once_a_year" {
  command = plan

  variables {
    rotation_days = 365
  }

  expect_failures = [var.rotation_days]
}

run "a_function_that_is_none" {
  command = plan

  variables {
    rotation_lambda_arn = "rotate"
  }

  expect_failures = [var.rotation_lambda_arn]
}

run "a_short_account" {
  command = plan

  variables {
    account_id = "123"
  }

  expect_failures = [var.account_id]
}

run "secrets" {
  assert {
    condition     = length(aws_secretsmanager_secret_rotation.shop_database) == 0
    error_message = "without a function nothing rotates by itself"
  }
}

run "rotation" {
  variables {
    rotation_lambda_arn = "arn:aws:lambda:eu-central-1:123456789012:function:rotate"
  }

  assert {
    condition     = aws_secretsmanager_secret_rotation.shop_database[0].rotation_rules[0].automatically_after_days == 30
    error_message = "the shop's login rotates"
  }
}

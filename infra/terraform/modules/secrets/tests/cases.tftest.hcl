# What no environment's plan shows: other sizes, what is there already, what is off.

mock_provider "aws" {
  source = "../../testing/mocks"
}

variables {
  name        = "retail-lakehouse-dev"
  account_id  = "123456789012"
  kms_key_arn = "arn:aws:kms:eu-central-1:123456789012:key/11111111-2222-3333-4444-555555555555"
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

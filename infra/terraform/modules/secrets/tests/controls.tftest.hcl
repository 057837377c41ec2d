# Controls that must hold; tests/infra/terraform removes each of them and expects its message.

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
    condition     = alltrue([for secret in aws_secretsmanager_secret.this : secret.kms_key_id == var.kms_key_arn])
    error_message = "control: secrets are encrypted with our key"
  }

  assert {
    condition     = alltrue([for secret in aws_secretsmanager_secret.this : secret.recovery_window_in_days == 30])
    error_message = "control: a deleted secret can be restored"
  }

  assert {
    condition     = alltrue([for policy in aws_secretsmanager_secret_policy.this : policy.block_public_policy])
    error_message = "control: no secret is public"
  }

  assert {
    condition = alltrue([
      for policy in aws_secretsmanager_secret_policy.this :
      jsondecode(policy.policy).Statement[0].Condition.StringNotEquals["aws:PrincipalAccount"] == "123456789012"
    ])
    error_message = "control: only this account reads secrets"
  }

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
    error_message = "control: the shop's login rotates"
  }
}

# Controls that must hold; tests/infra/terraform removes each of them and expects its message.

mock_provider "aws" {
  source = "../../testing/mocks"
}

variables {
  name       = "retail-lakehouse-dev"
  account_id = "123456789012"
  region     = "eu-central-1"
}

run "keys" {
  assert {
    condition     = alltrue([for key in aws_kms_key.this : key.enable_key_rotation])
    error_message = "control: keys rotate"
  }

  assert {
    condition     = alltrue([for key in aws_kms_key.this : key.deletion_window_in_days == 30])
    error_message = "control: a deleted key can be taken back for 30 days"
  }

  assert {
    condition = alltrue([
      for statement in jsondecode(aws_kms_key.this["logs"].policy).Statement :
      can(statement.Condition) || contains([{ AWS = "arn:aws:iam::123456789012:root" }, { Service = "events.amazonaws.com" }], statement.Principal)
    ])
    error_message = "control: services use a key for this account only"
  }

  assert {
    condition = anytrue([
      for statement in jsondecode(aws_kms_key.this["logs"].policy).Statement :
      statement.Principal == { Service = "events.amazonaws.com" } && !can(statement.Condition) && jsonencode(statement.Action) == jsonencode(["kms:Decrypt", "kms:GenerateDataKey"])
    ])
    error_message = "control: events reach the encrypted topic"
  }

  assert {
    condition     = toset(keys(aws_kms_key.this)) == toset(["data", "secrets", "logs"])
    error_message = "a key for each purpose"
  }
}

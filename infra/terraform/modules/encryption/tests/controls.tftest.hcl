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
    condition     = toset(keys(aws_kms_key.this)) == toset(["data", "secrets", "logs"])
    error_message = "a key for each purpose"
  }
}

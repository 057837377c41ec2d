# Who may apply, and the boundary that nobody leaves.

# The state's bucket must not be destroyed, not even by a test: it is only planned.
mock_provider "aws" {
  source          = "../testing/mocks"
  override_during = plan
}

variables {
  environment       = "dev"
  region            = "eu-central-1"
  github_repository = "example-org/retail-lakehouse"
}

run "bootstrap" {
  command = plan

  assert {
    condition     = jsondecode(aws_iam_role.terraform["apply"].assume_role_policy).Statement[0].Condition.StringEquals["token.actions.githubusercontent.com:sub"] == "repo:example-org/retail-lakehouse:environment:dev"
    error_message = "control: one repository and one environment apply"
  }

  assert {
    condition     = jsondecode(aws_iam_role.terraform["plan"].assume_role_policy).Statement[0].Condition.StringEquals["token.actions.githubusercontent.com:sub"] == "repo:example-org/retail-lakehouse:environment:dev-plan"
    error_message = "control: a plan is another role"
  }

  assert {
    condition = anytrue([
      for statement in jsondecode(aws_iam_role_policy.apply.policy).Statement :
      statement.Sid == "MakeRolesWithinTheBoundary" && try(statement.Condition.StringEquals["iam:PermissionsBoundary"], "") == "arn:aws:iam::123456789012:policy/retail-lakehouse-dev-boundary"
    ])
    error_message = "control: roles are made with the boundary only"
  }

  assert {
    condition     = contains([for statement in jsondecode(aws_iam_role_policy.apply.policy).Statement : "${statement.Effect} ${statement.Sid}"], "Deny KeepWhatHoldsData")
    error_message = "control: what holds data is not deleted"
  }

  assert {
    condition     = contains([for statement in jsondecode(aws_iam_role_policy.apply.policy).Statement : "${statement.Effect} ${statement.Sid}"], "Deny NotItself")
    error_message = "control: the role cannot change itself"
  }

  assert {
    condition     = aws_s3_bucket_versioning.state.versioning_configuration[0].status == "Enabled"
    error_message = "control: states are versioned"
  }

  assert {
    condition     = one(one(aws_s3_bucket_server_side_encryption_configuration.state.rule).apply_server_side_encryption_by_default).sse_algorithm == "aws:kms"
    error_message = "control: states are encrypted"
  }

  assert {
    condition     = aws_s3_bucket_public_access_block.state.block_public_policy && aws_s3_bucket_public_access_block.state.restrict_public_buckets
    error_message = "control: states are private"
  }
}

run "prod_without_protection" {
  command = plan

  variables {
    environment         = "prod"
    deletion_protection = false
  }

  expect_failures = [var.deletion_protection]
}

run "every_repository_of_an_owner" {
  command = plan

  variables {
    github_repository = "example-org/*"
  }

  expect_failures = [var.github_repository]
}

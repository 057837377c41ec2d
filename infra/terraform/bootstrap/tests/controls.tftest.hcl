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

  github_repository_id = "123456789"
}

run "bootstrap" {
  command = plan

  assert {
    condition     = alltrue([for role in aws_iam_role.terraform : try(jsondecode(role.assume_role_policy).Statement[0].Condition.StringEquals["token.actions.githubusercontent.com:aud"], "") == "sts.amazonaws.com"])
    error_message = "control: the token is for AWS"
  }

  assert {
    condition     = try(jsondecode(aws_iam_role.terraform["apply"].assume_role_policy).Statement[0].Condition.StringEquals["token.actions.githubusercontent.com:sub"], "") == "repo:example-org/retail-lakehouse:environment:dev"
    error_message = "control: one repository and one environment apply"
  }

  assert {
    condition     = try(jsondecode(aws_iam_role.terraform["plan"].assume_role_policy).Statement[0].Condition.StringEquals["token.actions.githubusercontent.com:sub"], "") == "repo:example-org/retail-lakehouse:environment:dev-plan"
    error_message = "control: a plan is another role"
  }

  assert {
    condition     = alltrue([for role in aws_iam_role.terraform : try(jsondecode(role.assume_role_policy).Statement[0].Condition.StringEquals["token.actions.githubusercontent.com:repository_id"], "") == "123456789"])
    error_message = "control: another repository of the same name is another"
  }

  assert {
    condition     = alltrue([for purpose, environment in { plan = "dev-plan", apply = "dev" } : try(jsondecode(aws_iam_role.terraform[purpose].assume_role_policy).Statement[0].Condition.StringEquals["token.actions.githubusercontent.com:environment"], "") == environment])
    error_message = "control: the job runs in the environment"
  }

  assert {
    condition     = try(jsondecode(aws_iam_role.terraform["apply"].assume_role_policy).Statement[0].Condition.StringEquals["token.actions.githubusercontent.com:ref"], "") == "refs/heads/main"
    error_message = "control: main is applied and nothing else"
  }

  assert {
    condition     = try(toset(jsondecode(aws_iam_role.terraform["plan"].assume_role_policy).Statement[0].Condition.StringLike["token.actions.githubusercontent.com:ref"]), toset([])) == toset(["refs/heads/main", "refs/pull/*/merge"])
    error_message = "control: main and pull requests are planned and nothing else"
  }

  assert {
    condition     = alltrue([for role in aws_iam_role.terraform : [for statement in jsondecode(role.assume_role_policy).Statement : keys(statement.Principal)] == [["Federated"]]])
    error_message = "control: nobody else takes the roles"
  }

  assert {
    condition = toset(flatten([for statement in jsondecode(aws_iam_role_policy.plan.policy).Statement : statement.Action if statement.Effect == "Deny" && try(statement.Resource, "") == "*"])) == toset([
      "kafkaconnect:DescribeConnector", "logs:FilterLogEvents", "logs:Get*", "logs:StartLiveTail", "logs:StartQuery", "logs:Unmask",
      "redshift-data:*", "secretsmanager:BatchGetSecretValue", "secretsmanager:GetSecretValue", "sqs:ReceiveMessage",
      "ssm:GetParameter*", "states:DescribeExecution", "states:GetExecutionHistory",
    ])
    error_message = "control: a plan sees no contents"
  }

  assert {
    condition     = contains([for statement in jsondecode(aws_iam_role_policy.plan.policy).Statement : "${statement.Effect} ${statement.Sid}"], "Deny NoOtherObjects")
    error_message = "control: a plan reads no object but the state and Terraform's own"
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

# Repositories made or renamed since 2026-07-15: GitHub's tokens name them with their numbers.
run "a_repository_with_numbers" {
  command = plan

  variables {
    github_repository = "example-org@1/retail-lakehouse@123456789"
  }

  assert {
    condition     = jsondecode(aws_iam_role.terraform["apply"].assume_role_policy).Statement[0].Condition.StringEquals["token.actions.githubusercontent.com:sub"] == "repo:example-org@1/retail-lakehouse@123456789:environment:dev"
    error_message = "only the declared form of the subject is trusted"
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

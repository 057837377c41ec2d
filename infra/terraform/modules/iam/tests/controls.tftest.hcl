# Controls that must hold; tests/infra/terraform removes each of them and expects its message.

mock_provider "aws" {
  source = "../../testing/mocks"
}

variables {
  name                     = "retail-lakehouse-dev"
  environment              = "dev"
  account_id               = "123456789012"
  region                   = "eu-central-1"
  permissions_boundary_arn = "arn:aws:iam::123456789012:policy/retail-lakehouse-dev-boundary"
  github_repository        = "example-org/retail-lakehouse"
  github_repository_id     = "123456789"
  bucket_arns = {
    landing   = "arn:aws:s3:::landing"
    staging   = "arn:aws:s3:::staging"
    curated   = "arn:aws:s3:::curated"
    artifacts = "arn:aws:s3:::artifacts"
  }
  key_arns               = { data = "arn:aws:kms:eu-central-1:123456789012:key/11111111-2222-3333-4444-555555555555", secrets = "arn:aws:kms:eu-central-1:123456789012:key/11111111-2222-3333-4444-555555555555", logs = "arn:aws:kms:eu-central-1:123456789012:key/11111111-2222-3333-4444-555555555555" }
  secret_arns            = { shop-database = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:shop", pii-salt = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:salt" }
  msk_cluster_arn        = "arn:aws:kafka:eu-central-1:123456789012:cluster/retail-lakehouse-dev/11111111-2222-3333-4444-555555555555-1"
  topics                 = ["retail.customers", "retail.transaction", "schema-history.retail"]
  table_topics           = ["retail.customers"]
  connector_topics       = ["retail.transaction"]
  schema_history_topic   = "schema-history.retail"
  metrics_namespace      = "RetailLakehouse"
  topic_prefix           = "retail"
  redshift               = { cluster_identifier = "retail-lakehouse-dev", database = "lakehouse", admin_secret_arn = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:redshift!x" }
  repository_arn         = "arn:aws:ecr:eu-central-1:123456789012:repository/retail-lakehouse-dev"
  vpc_id                 = "vpc-1"
  subnet_ids             = ["subnet-1", "subnet-2", "subnet-3"]
  glue_security_group_id = "sg-1"

  connect_security_group_id = "sg-2"
  lake_target               = false
}

run "roles" {
  assert {
    condition     = alltrue([for role in aws_iam_role.this : role.permissions_boundary == var.permissions_boundary_arn])
    error_message = "control: every role has its boundary"
  }

  assert {
    condition = alltrue([
      for name, role in aws_iam_role.this :
      jsondecode(role.assume_role_policy).Statement[0].Condition.StringEquals["aws:SourceAccount"] == "123456789012"
      if !contains(["redshift", "deploy"], name)
    ])
    error_message = "control: services take roles for this account only"
  }

  assert {
    condition     = try(jsondecode(aws_iam_role.this["deploy"].assume_role_policy).Statement[0].Condition.StringEquals["token.actions.githubusercontent.com:sub"], "") == "repo:example-org/retail-lakehouse:environment:dev"
    error_message = "control: one repository and one environment deploy"
  }

  assert {
    condition     = try(jsondecode(aws_iam_role.this["deploy"].assume_role_policy).Statement[0].Condition.StringEquals["token.actions.githubusercontent.com:aud"], "") == "sts.amazonaws.com"
    error_message = "control: the token is for AWS"
  }

  assert {
    condition     = try(jsondecode(aws_iam_role.this["deploy"].assume_role_policy).Statement[0].Condition.StringEquals["token.actions.githubusercontent.com:repository_id"], "") == "123456789"
    error_message = "control: another repository of the same name is another"
  }

  assert {
    condition     = try(jsondecode(aws_iam_role.this["deploy"].assume_role_policy).Statement[0].Condition.StringEquals["token.actions.githubusercontent.com:environment"], "") == "dev"
    error_message = "control: the job runs in the environment"
  }

  assert {
    condition     = try(toset(jsondecode(aws_iam_role.this["deploy"].assume_role_policy).Statement[0].Condition.StringLike["token.actions.githubusercontent.com:ref"]), toset([])) == toset(["refs/heads/main", "refs/tags/v*"])
    error_message = "control: main and releases are deployed and nothing else"
  }

  assert {
    condition     = [for statement in jsondecode(aws_iam_role.this["deploy"].assume_role_policy).Statement : keys(statement.Principal)] == [["Federated"]]
    error_message = "control: nobody else deploys"
  }

  assert {
    condition = alltrue(flatten([
      for policy in aws_iam_role_policy.this : [
        for statement in jsondecode(policy.policy).Statement : !contains(flatten([statement.Action]), "*") && alltrue([for action in flatten([statement.Action]) : !endswith(action, ":*")])
      ]
    ]))
    error_message = "control: actions are named"
  }

  assert {
    condition = length([
      for statement in jsondecode(aws_iam_role_policy.this["landing"].policy).Statement : statement
      if contains(flatten([statement.Action]), "s3:PutObject") && toset(flatten([statement.Resource])) != toset(["arn:aws:s3:::landing/landing/*", "arn:aws:s3:::landing/checkpoints/*"])
    ]) == 0
    error_message = "control: the landing role writes to the landing zone only"
  }

  assert {
    condition     = length([for statement in jsondecode(aws_iam_role_policy.this["dbt"].policy).Statement : statement if anytrue([for action in flatten([statement.Action]) : startswith(action, "secretsmanager:")])]) == 0
    error_message = "control: dbt reads no secret"
  }

  assert {
    condition = alltrue([
      for statement in jsondecode(aws_iam_role_policy.this["landing"].policy).Statement :
      statement.Sid != "ReadTopics" || toset(flatten([statement.Resource])) == toset([for topic in ["retail.customers", "retail.transaction"] : "arn:aws:kafka:eu-central-1:123456789012:topic/retail-lakehouse-dev/11111111-2222-3333-4444-555555555555-1/${topic}"])
    ])
    error_message = "control: declared topics only"
  }

  assert {
    condition     = length(setintersection(keys(aws_iam_role.this), ["batch", "optimizer"])) == 0 && !strcontains(aws_iam_role_policy.this["deploy"].policy, "-batch")
    error_message = "control: the lake's roles come with it"
  }
}

run "lake" {
  variables {
    lake_target = true
  }

  assert {
    condition     = length(setsubtract(["batch", "optimizer"], keys(aws_iam_role_policy.this))) == 0 && strcontains(aws_iam_role_policy.this["deploy"].policy, "-batch")
    error_message = "the lake has its roles"
  }
}

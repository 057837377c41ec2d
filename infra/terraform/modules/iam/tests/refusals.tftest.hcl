# Values that a module must not accept, each with the check that refuses it.

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

run "every_repository_of_an_owner" {
  command = plan

  variables {
    github_repository = "example-org/*"
  }

  expect_failures = [var.github_repository]
}

run "an_unknown_environment" {
  command = plan

  variables {
    environment = "test"
  }

  expect_failures = [var.environment]
}

run "a_topic_wildcard" {
  command = plan

  variables {
    topics = ["retail.*"]
  }

  expect_failures = [var.topics]
}

run "a_table_topic_that_is_not_declared" {
  command = plan

  variables {
    table_topics = ["other"]
  }

  expect_failures = [var.table_topics]
}

run "a_cluster_that_is_none" {
  command = plan

  variables {
    msk_cluster_arn = "retail"
  }

  expect_failures = [var.msk_cluster_arn]
}

run "no_boundary" {
  command = plan

  variables {
    permissions_boundary_arn = "none"
  }

  expect_failures = [var.permissions_boundary_arn]
}

run "a_missing_key" {
  command = plan

  variables {
    key_arns = {}
  }

  expect_failures = [var.key_arns]
}

run "a_missing_bucket" {
  command = plan

  variables {
    bucket_arns = {}
  }

  expect_failures = [var.bucket_arns]
}

run "a_missing_secret" {
  command = plan

  variables {
    secret_arns = {}
  }

  expect_failures = [var.secret_arns]
}

run "a_schema_history_that_is_not_declared" {
  command = plan

  variables {
    schema_history_topic = "other"
  }

  expect_failures = [var.schema_history_topic]
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

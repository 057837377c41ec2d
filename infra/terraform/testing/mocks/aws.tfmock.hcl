# Values that AWS would compute, in the form that the provider accepts elsewhere.

mock_data "aws_caller_identity" {
  defaults = { account_id = "123456789012" }
}

mock_data "aws_region" {
  defaults = { name = "eu-central-1" }
}

mock_data "aws_availability_zones" {
  defaults = { names = ["eu-central-1a", "eu-central-1b", "eu-central-1c"] }
}

mock_resource "aws_kms_key" {
  defaults = { arn = "arn:aws:kms:eu-central-1:123456789012:key/11111111-2222-3333-4444-555555555555" }
}

mock_resource "aws_iam_role" {
  defaults = { arn = "arn:aws:iam::123456789012:role/mock" }
}

mock_resource "aws_iam_policy" {
  defaults = { arn = "arn:aws:iam::123456789012:policy/mock" }
}

mock_resource "aws_s3_bucket" {
  defaults = { arn = "arn:aws:s3:::mock" }
}

mock_resource "aws_cloudwatch_log_group" {
  defaults = { arn = "arn:aws:logs:eu-central-1:123456789012:log-group:mock" }
}

mock_resource "aws_secretsmanager_secret" {
  defaults = {
    id  = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:mock-abcdef"
    arn = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:mock-abcdef"
  }
}

mock_resource "aws_vpc" {
  defaults = { id = "vpc-00000000000000001" }
}

mock_resource "aws_security_group" {
  defaults = { id = "sg-00000000000000001" }
}

mock_resource "aws_msk_configuration" {
  defaults = {
    arn             = "arn:aws:kafka:eu-central-1:123456789012:configuration/mock/11111111-2222-3333-4444-555555555555-1"
    latest_revision = 1
  }
}

mock_resource "aws_msk_cluster" {
  defaults = {
    arn                        = "arn:aws:kafka:eu-central-1:123456789012:cluster/mock/11111111-2222-3333-4444-555555555555-1"
    bootstrap_brokers_sasl_iam = "b-3.mock:9098,b-1.mock:9098,b-2.mock:9098"
  }
}

mock_resource "aws_mskconnect_custom_plugin" {
  defaults = {
    arn             = "arn:aws:kafkaconnect:eu-central-1:123456789012:custom-plugin/mock/11111111-2222-3333-4444-555555555555-1"
    latest_revision = 1
  }
}

mock_resource "aws_mskconnect_worker_configuration" {
  defaults = {
    arn             = "arn:aws:kafkaconnect:eu-central-1:123456789012:worker-configuration/mock/11111111-2222-3333-4444-555555555555-1"
    latest_revision = 1
  }
}

mock_resource "aws_redshiftserverless_namespace" {
  defaults = { admin_password_secret_arn = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:redshift!mock-abcdef" }
}

mock_resource "aws_redshiftserverless_workgroup" {
  defaults = { arn = "arn:aws:redshift-serverless:eu-central-1:123456789012:workgroup/11111111-2222-3333-4444-555555555555" }
}

mock_resource "aws_redshift_cluster" {
  defaults = { master_password_secret_arn = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:redshift!mock-abcdef" }
}

mock_resource "aws_ecr_repository" {
  defaults = {
    arn            = "arn:aws:ecr:eu-central-1:123456789012:repository/mock"
    repository_url = "123456789012.dkr.ecr.eu-central-1.amazonaws.com/mock"
  }
}

mock_resource "aws_ecs_cluster" {
  defaults = { arn = "arn:aws:ecs:eu-central-1:123456789012:cluster/mock" }
}

mock_resource "aws_sfn_state_machine" {
  defaults = { arn = "arn:aws:states:eu-central-1:123456789012:stateMachine:mock" }
}

mock_resource "aws_sqs_queue" {
  defaults = { arn = "arn:aws:sqs:eu-central-1:123456789012:mock" }
}

mock_resource "aws_sns_topic" {
  defaults = { arn = "arn:aws:sns:eu-central-1:123456789012:mock" }
}

mock_resource "aws_cloudwatch_metric_alarm" {
  defaults = { arn = "arn:aws:cloudwatch:eu-central-1:123456789012:alarm:mock" }
}

mock_resource "aws_ecs_task_definition" {
  defaults = { arn_without_revision = "arn:aws:ecs:eu-central-1:123456789012:task-definition/mock" }
}

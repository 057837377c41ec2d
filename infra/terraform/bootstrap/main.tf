# Applied once for each environment by an administrator, before anything else: where the state lives,
# who may apply, and the boundary that no role made later can leave. Its own state stays local (or
# wherever the administrator keeps it): it holds no secret.
provider "aws" {
  region              = var.region
  allowed_account_ids = var.account_ids

  default_tags {
    tags = {
      Project     = var.project
      Environment = var.environment
      ManagedBy   = "terraform-bootstrap"
      Repository  = var.github_repository
    }
  }
}

data "aws_caller_identity" "this" {}

locals {
  name       = "${var.project}-${var.environment}"
  account_id = data.aws_caller_identity.this.account_id
  role       = "arn:aws:iam::${local.account_id}:role"
  policy     = "arn:aws:iam::${local.account_id}:policy"
  catalog    = replace(local.name, "-", "_")
  here       = "${var.region}:${local.account_id}"
  boundary   = "${local.policy}/${local.name}-boundary"
}

# Whose state this is: a second environment needs a state of its own, or it would replace the first.
resource "terraform_data" "owner" {
  input = local.name

  lifecycle {
    ignore_changes = [input]

    postcondition {
      condition     = self.output == local.name
      error_message = "This state is of ${self.output}, the variables are of ${local.name}. Each environment has a workspace of its own here: terraform workspace select -or-create ${var.environment}"
    }
  }
}

# ---------------------------------------------------------------------------------------- state

resource "aws_kms_key" "state" {
  description             = "Terraform state of ${local.name}."
  enable_key_rotation     = true
  deletion_window_in_days = 30
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Sid       = "AccountDecidesByIam"
      Effect    = "Allow"
      Principal = { AWS = "arn:aws:iam::${local.account_id}:root" }
      Action    = "kms:*"
      Resource  = "*"
    }]
  })
}

resource "aws_kms_alias" "state" {
  name          = "alias/${local.name}-terraform"
  target_key_id = aws_kms_key.state.key_id
}

resource "aws_s3_bucket" "state" {
  bucket = "${local.name}-terraform-${local.account_id}"

  lifecycle {
    prevent_destroy = true
  }
}

resource "aws_s3_bucket_ownership_controls" "state" {
  bucket = aws_s3_bucket.state.id

  rule {
    object_ownership = "BucketOwnerEnforced"
  }
}

resource "aws_s3_bucket_public_access_block" "state" {
  bucket                  = aws_s3_bucket.state.id
  block_public_acls       = true
  block_public_policy     = true
  ignore_public_acls      = true
  restrict_public_buckets = true
}

resource "aws_s3_bucket_versioning" "state" {
  bucket = aws_s3_bucket.state.id

  versioning_configuration {
    status = "Enabled"
  }
}

resource "aws_s3_bucket_server_side_encryption_configuration" "state" {
  bucket = aws_s3_bucket.state.id

  rule {
    bucket_key_enabled = true

    apply_server_side_encryption_by_default {
      sse_algorithm     = "aws:kms"
      kms_master_key_id = aws_kms_key.state.arn
    }
  }
}

resource "aws_s3_bucket_logging" "state" {
  bucket        = aws_s3_bucket.state.id
  target_bucket = var.access_log_bucket
  target_prefix = "terraform-state/${local.name}/"

  count = var.access_log_bucket == null ? 0 : 1
}

resource "aws_s3_bucket_lifecycle_configuration" "state" {
  bucket = aws_s3_bucket.state.id

  rule {
    id     = "old-states"
    status = "Enabled"

    filter {
      prefix = ""
    }

    abort_incomplete_multipart_upload {
      days_after_initiation = 7
    }

    noncurrent_version_expiration {
      noncurrent_days = 365
    }
  }

  depends_on = [aws_s3_bucket_versioning.state]
}

resource "aws_s3_bucket_policy" "state" {
  bucket = aws_s3_bucket.state.id
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Sid       = "OnlyTls"
      Effect    = "Deny"
      Principal = "*"
      Action    = "s3:*"
      Resource  = [aws_s3_bucket.state.arn, "${aws_s3_bucket.state.arn}/*"]
      Condition = { Bool = { "aws:SecureTransport" = "false" } }
    }]
  })

  depends_on = [aws_s3_bucket_public_access_block.state]
}

# ------------------------------------------------------------------------------------- boundary

locals {
  # Aliases are of one account: a key of another is named.
  replica_key = var.replica_key_arn == null ? [] : [{
    Sid      = "ReplicaKey"
    Effect   = "Allow"
    Action   = ["kms:Decrypt", "kms:Encrypt", "kms:GenerateDataKey"]
    Resource = var.replica_key_arn
  }]
}

# The most that any role of this environment can do, whatever its own policy says. Only this root
# can change it: the role that applies the rest is denied to.

resource "aws_iam_policy" "boundary" {
  name        = "${local.name}-boundary"
  description = "The most that a role of ${local.name} can do: only what carries this environment's name."
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = concat(local.replica_key, [
      {
        Sid      = "Buckets"
        Effect   = "Allow"
        Action   = ["s3:Get*", "s3:List*", "s3:PutObject", "s3:DeleteObject", "s3:AbortMultipartUpload", "s3:ReplicateObject"]
        Resource = ["arn:aws:s3:::${local.name}-*"]
      },
      {
        # The state's bucket is named alike, and holds what every role can do.
        Sid      = "NoState"
        Effect   = "Deny"
        Action   = "s3:*"
        Resource = "arn:aws:s3:::${local.name}-terraform-*"
      },
      {
        Sid      = "Kafka"
        Effect   = "Allow"
        Action   = ["kafka-cluster:*"]
        Resource = concat([for kind in ["cluster", "topic", "group", "transactional-id"] : "arn:aws:kafka:${local.here}:${kind}/${local.name}/*"], var.existing_kafka_arns)
      },
      {
        Sid    = "Catalog"
        Effect = "Allow"
        Action = ["glue:Get*", "glue:BatchGet*", "glue:CreateTable", "glue:UpdateTable", "glue:DeleteTable", "glue:*Partition*", "glue:StartJobRun", "glue:BatchStopJobRun", "glue:UpdateJob"]
        Resource = [
          "arn:aws:glue:${local.here}:catalog", "arn:aws:glue:${local.here}:database/${local.catalog}_*",
          "arn:aws:glue:${local.here}:table/${local.catalog}_*/*", "arn:aws:glue:${local.here}:job/${local.name}-*",
          "arn:aws:glue:${local.here}:connection/${local.name}-*",
        ]
      },
      {
        Sid    = "Logs"
        Effect = "Allow"
        Action = ["logs:CreateLogGroup", "logs:CreateLogStream", "logs:PutLogEvents", "logs:AssociateKmsKey", "logs:DescribeLogStreams", "logs:GetLogEvents"]
        Resource = [
          for group in ["/${local.name}/*", "/aws-glue/jobs/${local.name}*", "/aws-glue/iceberg-*"] :
          "arn:aws:logs:${local.here}:log-group:${group}"
        ]
      },
      {
        Sid       = "Keys"
        Effect    = "Allow"
        Action    = ["kms:Decrypt", "kms:Encrypt", "kms:GenerateDataKey"]
        Resource  = "arn:aws:kms:${local.here}:key/*"
        Condition = { "ForAnyValue:StringEquals" = { "kms:ResourceAliases" = [for purpose in ["data", "logs", "secrets"] : "alias/${local.name}-${purpose}"] } }
      },
      {
        Sid      = "Secrets"
        Effect   = "Allow"
        Action   = ["secretsmanager:GetSecretValue", "secretsmanager:DescribeSecret"]
        Resource = ["arn:aws:secretsmanager:${local.here}:secret:${local.name}/*", "arn:aws:secretsmanager:${local.here}:secret:redshift!*"]
      },
      {
        Sid    = "Warehouse"
        Effect = "Allow"
        Action = ["redshift-serverless:GetCredentials", "redshift-serverless:GetWorkgroup", "redshift-serverless:CreateSnapshot", "redshift:GetClusterCredentialsWithIAM"]
        # ARNs of Redshift Serverless hold an identifier, not a name.
        Resource = concat(["arn:aws:redshift-serverless:${local.here}:*", "arn:aws:redshift:${local.here}:dbname:${local.name}/*"], var.existing_redshift_arns)
      },
      {
        Sid    = "Runs"
        Effect = "Allow"
        Action = ["ecs:RegisterTaskDefinition", "ecs:RunTask", "ecs:StopTask", "ecs:TagResource", "ecs:DescribeTasks", "states:StartExecution", "states:ListExecutions", "sqs:SendMessage", "events:PutTargets", "events:PutRule", "events:DescribeRule", "kafkaconnect:DescribeConnector*", "kafkaconnect:UpdateConnector", "kafkaconnect:DeleteConnector"]
        Resource = [
          "arn:aws:ecs:${local.here}:task-definition/${local.name}-*", "arn:aws:ecs:${local.here}:task/${local.name}/*",
          "arn:aws:states:${local.here}:stateMachine:${local.name}-*",
          "arn:aws:sqs:${local.here}:${local.name}-*", "arn:aws:events:${local.here}:rule/StepFunctionsGetEventsForECSTaskRule",
          "arn:aws:kafkaconnect:${local.here}:connector/${local.name}-*", "arn:aws:kafkaconnect:${local.here}:connector-operation/${local.name}-*",
        ]
      },
      {
        Sid      = "Image"
        Effect   = "Allow"
        Action   = ["ecr:BatchGetImage", "ecr:DescribeImages", "ecr:PutImage", "ecr:*Layer*"]
        Resource = "arn:aws:ecr:${local.here}:repository/${local.name}"
      },
      {
        Sid      = "WhatRuns"
        Effect   = "Allow"
        Action   = ["ssm:GetParameter", "ssm:PutParameter"]
        Resource = "arn:aws:ssm:${local.here}:parameter/${local.name}/release/*"
      },
      {
        Sid      = "HandOnOwnRoles"
        Effect   = "Allow"
        Action   = "iam:PassRole"
        Resource = "${local.role}/${local.name}-*"
      },
      {
        Sid      = "ServiceLinkedRole"
        Effect   = "Allow"
        Action   = "iam:CreateServiceLinkedRole"
        Resource = "${local.role}/aws-service-role/kafkaconnect.amazonaws.com/*"
      },
      {
        Sid      = "NetworkInterfaces"
        Effect   = "Allow"
        Action   = ["ec2:CreateNetworkInterface", "ec2:DeleteNetworkInterface", "ec2:CreateTags", "ec2:DeleteTags"]
        Resource = ["arn:aws:ec2:${local.here}:network-interface/*", "arn:aws:ec2:${local.here}:subnet/*", "arn:aws:ec2:${local.here}:security-group/*"]
      },
      {
        # Actions without a resource.
        Sid    = "WithoutResource"
        Effect = "Allow"
        Action = [
          "cloudwatch:PutMetricData", "ec2:DescribeNetworkInterfaces", "ec2:DescribeRouteTables", "ec2:DescribeSecurityGroups",
          "ec2:DescribeSubnets", "ec2:DescribeVpc*", "ecr:GetAuthorizationToken", "ecs:DescribeTaskDefinition",
          "glue:GetSecurityConfiguration", "redshift:DescribeClusters",
          "kafkaconnect:CreateConnector", "kafkaconnect:ListConnectors", "logs:*LogDeliver*", "logs:DescribeLogGroups",
          "logs:DescribeResourcePolicies", "logs:PutResourcePolicy", "xray:GetSampling*", "xray:Put*",
        ]
        Resource = "*"
      },
    ])
  })
}

# ------------------------------------------------------------------------------- who may apply

resource "aws_iam_openid_connect_provider" "github" {
  count = var.create_oidc_provider ? 1 : 0

  url            = "https://token.actions.githubusercontent.com"
  client_id_list = ["sts.amazonaws.com"]
}

locals {
  oidc_provider = "arn:aws:iam::${local.account_id}:oidc-provider/token.actions.githubusercontent.com"

  github_environments = {
    plan  = "${var.environment}-plan"
    apply = var.environment
  }

  # A workflow in a pushed branch names any environment that it likes; where it runs it cannot choose.
  # Whoever may push a branch may open a pull request, and then plans: that role must be harmless.
  refs = {
    plan  = { StringLike = { "token.actions.githubusercontent.com:ref" = ["refs/heads/main", "refs/pull/*/merge"] } }
    apply = { StringEquals = { "token.actions.githubusercontent.com:ref" = "refs/heads/main" } }
  }

  state_key = "${aws_s3_bucket.state.arn}/${var.environment}/terraform.tfstate"
  artifacts = "arn:aws:s3:::${local.name}-artifacts-${local.account_id}"

  # Destroying what holds data needs an administrator; a changed line of Terraform is not enough.
  # s3:PutBucketVersioning and PutLifecycleConfiguration cannot be among it: an apply makes buckets, and the
  # actions that switch their versions on and let old ones go also switch them off and let all go. What is
  # landed has a copy in another account for that (landing_replica).
  protected = var.deletion_protection ? [{
    Sid    = "KeepWhatHoldsData"
    Effect = "Deny"
    Action = [
      "glue:DeleteDatabase", "kafka:DeleteCluster", "kms:DisableKey", "kms:ScheduleKeyDeletion", "redshift-serverless:DeleteNamespace",
      "redshift-serverless:DeleteSnapshot", "redshift-serverless:DeleteWorkgroup", "redshift:DeleteCluster", "redshift:DeleteClusterSnapshot",
      "s3:DeleteBucket", "s3:DeleteObjectVersion", "secretsmanager:DeleteSecret",
    ]
    Resource = "*"
  }] : []
}

resource "aws_iam_role" "terraform" {
  for_each = local.github_environments

  name        = "${local.name}-terraform-${each.key}"
  description = "GitHub Actions: terraform ${each.key} of ${local.name}."
  # As long as the workflow's job may take: a session's keys are not renewed under way.
  max_session_duration = each.key == "apply" ? 10800 : 3600
  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Principal = { Federated = local.oidc_provider }
      Action    = "sts:AssumeRoleWithWebIdentity"
      Condition = merge(local.refs[each.key], {
        StringEquals = merge(try(local.refs[each.key].StringEquals, {}), {
          "token.actions.githubusercontent.com:aud"           = "sts.amazonaws.com"
          "token.actions.githubusercontent.com:sub"           = "repo:${var.github_repository}:environment:${each.value}"
          "token.actions.githubusercontent.com:repository_id" = var.github_repository_id
          "token.actions.githubusercontent.com:environment"   = each.value
        })
      })
    }]
  })
}

# The configuration of what is there, the state, and the objects that Terraform itself has put into
# the artifacts bucket. What shows contents is denied as well: no policy that somebody attaches here
# later gives it.
resource "aws_iam_role_policy" "plan" {
  name = "read"
  role = aws_iam_role.terraform["plan"].id
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      { Sid = "ReadState", Effect = "Allow", Action = "s3:GetObject", Resource = local.state_key },
      { Sid = "StateKey", Effect = "Allow", Action = "kms:Decrypt", Resource = aws_kms_key.state.arn },
      { Sid = "ReadBuckets", Effect = "Allow", Action = [for action in local.plan_reads : action if startswith(action, "s3:")], Resource = "arn:aws:s3:::${local.name}-*" },
      { Sid = "ReadRoles", Effect = "Allow", Action = [for action in local.plan_reads : action if startswith(action, "iam:")], Resource = "${local.role}/${local.name}-*" },
      { Sid = "ReadOthers", Effect = "Allow", Action = [for action in local.plan_reads : action if !startswith(action, "iam:") && !startswith(action, "s3:")], Resource = "*" },
      {
        Sid      = "ReadOwnObjects"
        Effect   = "Allow"
        Action   = ["s3:GetObject", "s3:GetObjectTagging"]
        Resource = ["${local.artifacts}/connect/*", "${local.artifacts}/environment/*"]
      },
      {
        # The data key encrypts the catalog's tables, the schedules' inputs and those objects.
        Sid      = "DataKey"
        Effect   = "Allow"
        Action   = "kms:Decrypt"
        Resource = "arn:aws:kms:${local.here}:key/*"
        Condition = {
          "ForAnyValue:StringEquals" = { "kms:ResourceAliases" = "alias/${local.name}-data" }
          StringEquals               = { "kms:ViaService" = [for service in ["glue", "s3", "scheduler"] : "${service}.${var.region}.amazonaws.com"] }
        }
      },
      {
        # Of the nightly plan, for its alarm; what other alarms look at it cannot put.
        Sid       = "TellOfDrift"
        Effect    = "Allow"
        Action    = "cloudwatch:PutMetricData"
        Resource  = "*"
        Condition = { StringEquals = { "cloudwatch:namespace" = "RetailLakehouse/Plan" } }
      },
      {
        Sid    = "NoContents"
        Effect = "Deny"
        Action = [
          "kafkaconnect:DescribeConnector", "logs:FilterLogEvents", "logs:Get*", "logs:StartLiveTail", "logs:StartQuery", "logs:Unmask",
          "redshift-data:*", "secretsmanager:BatchGetSecretValue", "secretsmanager:GetSecretValue", "sqs:ReceiveMessage",
          "ssm:GetParameter*", "states:DescribeExecution", "states:GetExecutionHistory",
        ]
        Resource = "*"
      },
      {
        Sid         = "NoOtherObjects"
        Effect      = "Deny"
        Action      = ["s3:GetObject", "s3:GetObjectVersion"]
        NotResource = [local.state_key, "${local.artifacts}/connect/*", "${local.artifacts}/environment/*"]
      },
    ]
  })
}

# Terraform makes resources of some twenty services; PowerUserAccess is all of them without IAM. IAM
# is granted below, for roles of this environment that carry the boundary only.
resource "aws_iam_role_policy_attachment" "power" {
  role       = aws_iam_role.terraform["apply"].name
  policy_arn = "arn:aws:iam::aws:policy/PowerUserAccess"
}

resource "aws_iam_role_policy" "apply" {
  name = "state-and-roles"
  role = aws_iam_role.terraform["apply"].id
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = concat(local.protected, [
      { Sid = "ListStates", Effect = "Allow", Action = "s3:ListBucket", Resource = aws_s3_bucket.state.arn },
      { Sid = "WriteState", Effect = "Allow", Action = ["s3:GetObject", "s3:PutObject"], Resource = local.state_key },
      { Sid = "LockState", Effect = "Allow", Action = ["s3:GetObject", "s3:PutObject", "s3:DeleteObject"], Resource = "${local.state_key}.tflock" },
      { Sid = "StateKey", Effect = "Allow", Action = ["kms:Decrypt", "kms:GenerateDataKey"], Resource = aws_kms_key.state.arn },
      {
        Sid      = "ReadRoles"
        Effect   = "Allow"
        Action   = ["iam:GetRole", "iam:GetRolePolicy", "iam:ListRolePolicies", "iam:ListAttachedRolePolicies", "iam:ListInstanceProfilesForRole"]
        Resource = "${local.role}/${local.name}-*"
      },
      {
        Sid       = "MakeRolesWithinTheBoundary"
        Effect    = "Allow"
        Action    = ["iam:CreateRole", "iam:PutRolePolicy", "iam:DeleteRolePolicy", "iam:PutRolePermissionsBoundary"]
        Resource  = "${local.role}/${local.name}-*"
        Condition = { StringEquals = { "iam:PermissionsBoundary" = local.boundary } }
      },
      {
        Sid      = "LookAfterRoles"
        Effect   = "Allow"
        Action   = ["iam:DeleteRole", "iam:TagRole", "iam:UntagRole", "iam:UpdateRole", "iam:UpdateRoleDescription", "iam:UpdateAssumeRolePolicy"]
        Resource = "${local.role}/${local.name}-*"
      },
      {
        Sid      = "HandOnRoles"
        Effect   = "Allow"
        Action   = "iam:PassRole"
        Resource = "${local.role}/${local.name}-*"
        Condition = {
          StringEquals = {
            "iam:PassedToService" = [
              "ecs-tasks.amazonaws.com", "glue.amazonaws.com", "kafkaconnect.amazonaws.com", "redshift.amazonaws.com",
              "redshift-serverless.amazonaws.com", "s3.amazonaws.com", "scheduler.amazonaws.com", "states.amazonaws.com", "vpc-flow-logs.amazonaws.com",
            ]
          }
        }
      },
      {
        Sid       = "ServiceLinkedRoles"
        Effect    = "Allow"
        Action    = "iam:CreateServiceLinkedRole"
        Resource  = "${local.role}/aws-service-role/*"
        Condition = { StringLike = { "iam:AWSServiceName" = ["kafka.amazonaws.com", "kafkaconnect.amazonaws.com", "redshift.amazonaws.com", "ecs.amazonaws.com", "kafka.application-autoscaling.amazonaws.com"] } }
      },
      {
        # Also not through the roles that it may otherwise look after.
        Sid    = "NotItself"
        Effect = "Deny"
        Action = ["iam:*"]
        Resource = [
          local.boundary, "${local.role}/${local.name}-terraform-plan", "${local.role}/${local.name}-terraform-apply",
          "${local.role}/${local.name}-break-glass", local.oidc_provider,
        ]
      },
      {
        Sid      = "BoundaryStays"
        Effect   = "Deny"
        Action   = "iam:DeleteRolePermissionsBoundary"
        Resource = "${local.role}/${local.name}-*"
      },
    ])
  })
}

# ---------------------------------------------------------------------------------- break glass

# A person's role for what no workflow can mend (docs/runbooks/break_glass.md). The session's name says
# who and why. It is taken in the environment's region only: that is where its use is told of.
resource "aws_iam_role" "break_glass" {
  count = length(var.break_glass_principals) > 0 ? 1 : 0

  name                 = "${local.name}-break-glass"
  description          = "A person, for hours, with MFA and a reason: docs/runbooks/break_glass.md."
  max_session_duration = 18000 # as the workflow rollback, which it may have to stand in for
  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Principal = { AWS = var.break_glass_principals }
      Action    = "sts:AssumeRole"
      Condition = {
        Bool            = { "aws:MultiFactorAuthPresent" = "true" }
        NumericLessThan = { "aws:MultiFactorAuthAge" = "900" }
        StringEquals    = { "aws:RequestedRegion" = var.region }
        StringLike      = { "sts:RoleSessionName" = "?*@?*" }
      }
    }]
  })
}

# All but IAM: who may do what is changed by bootstrap's administrator alone.
resource "aws_iam_role_policy_attachment" "break_glass" {
  count = length(aws_iam_role.break_glass)

  role       = aws_iam_role.break_glass[0].name
  policy_arn = "arn:aws:iam::aws:policy/PowerUserAccess"
}

resource "aws_iam_role_policy" "break_glass" {
  count = length(aws_iam_role.break_glass)

  name = "tasks-and-record"
  role = aws_iam_role.break_glass[0].id
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Sid      = "TheRecordStays"
      Effect   = "Deny"
      Action   = ["cloudtrail:Delete*", "cloudtrail:Put*", "cloudtrail:StopLogging", "cloudtrail:Update*", "sns:SetSubscriptionAttributes", "sns:Unsubscribe"]
      Resource = "*"
      }, {
      # Which would hide whose session it was.
      Sid      = "NoOtherRole"
      Effect   = "Deny"
      Action   = "sts:AssumeRole"
      Resource = "*"
      }, {
      # What `python -m lakehouse.delivery` does: tasks and jobs of the environment.
      Sid       = "RunTasks"
      Effect    = "Allow"
      Action    = "iam:PassRole"
      Resource  = "${local.role}/${local.name}-*"
      Condition = { StringEquals = { "iam:PassedToService" = ["ecs-tasks.amazonaws.com", "glue.amazonaws.com"] } }
      }, {
      # By the rule, whose mail goes through the topic of the alarms, and by what these say of its deeds. Muting an alarm
      # needs the action on the alarm, too (Amazon CloudWatch API Reference, PutAlarmMuteRule).
      Sid    = "ItIsToldOf"
      Effect = "Deny"
      Action = [
        "cloudwatch:DeleteAlarms", "cloudwatch:DisableAlarmActions", "cloudwatch:PutAlarmMuteRule", "cloudwatch:PutMetricAlarm", "cloudwatch:SetAlarmState",
        "events:DeleteRule", "events:DisableRule", "events:PutRule", "events:PutTargets", "events:RemoveTargets",
        "kms:DeleteAlias", "kms:UpdateAlias", "sns:AddPermission", "sns:DeleteTopic", "sns:PutDataProtectionPolicy", "sns:RemovePermission", "sns:SetTopicAttributes",
      ]
      Resource = [
        "arn:aws:cloudwatch:${local.here}:alarm:${local.name}-*", "arn:aws:events:${local.here}:rule/${local.name}-*",
        "arn:aws:kms:${local.here}:alias/${local.name}-logs", "arn:aws:sns:${local.here}:${local.name}-alarms",
      ]
      }, {
      Sid       = "TheTopicsKeyStays"
      Effect    = "Deny"
      Action    = ["kms:DisableKey", "kms:PutKeyPolicy", "kms:ScheduleKeyDeletion"]
      Resource  = "*"
      Condition = { "ForAnyValue:StringEquals" = { "kms:ResourceAliases" = "alias/${local.name}-logs" } }
    }]
  })
}

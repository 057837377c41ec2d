"""Controls of the modules and how each is taken away: a change of one line of the source.

The key is the message with which `terraform test` must then fail, without the word "control".
All mutants of a module are made in one copy: each message must appear for itself.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Mutant:
    """Replace `old` (found at least once) by `new` in main.tf."""

    control: str
    old: str
    new: str


MUTANTS: dict[str, tuple[Mutant, ...]] = {
    "encryption": (
        Mutant("keys rotate", "enable_key_rotation     = true", "enable_key_rotation = false"),
        Mutant(
            "a deleted key can be taken back for 30 days",
            "deletion_window_in_days = var.deletion_window_in_days",
            "deletion_window_in_days = 7",
        ),
    ),
    "secrets": (
        Mutant(
            "secrets are encrypted with our key", "kms_key_id              = var.kms_key_arn", ""
        ),
        Mutant(
            "a deleted secret can be restored",
            "recovery_window_in_days = var.recovery_window_in_days",
            "recovery_window_in_days = 0",
        ),
        Mutant("no secret is public", "block_public_policy = true", "block_public_policy = false"),
        Mutant(
            "only this account reads secrets",
            '"aws:PrincipalAccount" = var.account_id',
            '"aws:PrincipalAccount" = "*"',
        ),
        Mutant(
            "the shop's login rotates",
            "automatically_after_days = var.rotation_days",
            "automatically_after_days = 365",
        ),
    ),
    "lake": (
        Mutant(
            "public access is blocked",
            "restrict_public_buckets = true",
            "restrict_public_buckets = false",
        ),
        Mutant("objects are versioned", 'status = "Enabled"\n  }', 'status = "Suspended"\n  }'),
        Mutant(
            "data is encrypted with our key",
            'each.key == "logs" ? "AES256" : "aws:kms"',
            '"AES256"',
        ),
        Mutant("no object has an access list of its own", "BucketOwnerEnforced", "ObjectWriter"),
        Mutant("TLS only", '"aws:SecureTransport" = "false"', '"aws:SecureTransport" = "true"'),
        Mutant("TLS 1.2 or newer", '"s3:TlsVersion" = "1.2"', '"s3:TlsVersion" = "1.0"'),
        Mutant(
            "no other key",
            'Sid       = "NoOtherKey"\n        Effect    = "Deny"',
            'Sid = "NoOtherKey"\n        Effect = "Allow"',
        ),
        Mutant("access is logged", 'target_prefix = "s3/${each.key}/"', 'target_prefix = "s3/"'),
        Mutant(
            "buckets with objects survive a destroy",
            "force_destroy = var.force_destroy",
            "force_destroy = true",
        ),
        Mutant(
            "nothing of the landing zone expires here",
            'for_each = each.key == "logs" ? ["logs"] : []',
            'for_each = ["logs"]',
        ),
        Mutant(
            "versions of what passes are kept for a day",
            '"${var.landing_prefix}/_writers/"',
            '"${var.landing_prefix}/_ledger/"',
        ),
        Mutant("abandoned uploads go", "days_after_initiation = 7", "days_after_initiation = 700"),
    ),
    "network": (
        Mutant(
            "three private subnets",
            "map_public_ip_on_launch = false",
            "map_public_ip_on_launch = true",
        ),
        Mutant(
            "no default route, only Azure SQL",
            "destination_cidr_block = each.value.cidr_block",
            'destination_cidr_block = "0.0.0.0/0"',
        ),
        Mutant(
            "egress to Azure SQL on 1433 and the redirect ports only",
            'last_port  = pair[1] == "gateway" ? 1433 : 11999',
            "last_port = 65535",
        ),
        Mutant(
            "connections come from named groups",
            "security_group_id            = aws_security_group.this[each.value.to].id\n"
            "  referenced_security_group_id = aws_security_group.this[each.value.from].id",
            "security_group_id = aws_security_group.this[each.value.to].id\n"
            '  cidr_ipv4 = "0.0.0.0/0"',
        ),
        Mutant("brokers on the IAM port only", "last_port = 9098", "last_port = 9200"),
        Mutant("warehouse on its port only", "first_port = 5439", "first_port = 5000"),
        Mutant(
            "the default group has no rules",
            'resource "aws_default_security_group" "this" {\n  count = local.own ? 1 : 0',
            'resource "aws_default_security_group" "this" {\n  count = 0',
        ),
        Mutant("all traffic is logged", '"ALL"', '"REJECT"'),
        Mutant("flow logs are encrypted", "kms_key_id        = var.logs_kms_key_arn", ""),
        Mutant(
            "endpoints serve this account only",
            'Action    = "*"\n      Resource  = "*"\n'
            '      Condition = { StringEquals = { "aws:PrincipalAccount" = var.account_id } }',
            'Action    = "*"\n      Resource  = "*"\n'
            '      Condition = { StringEquals = { "aws:PrincipalAccount" = "*" } }',
        ),
        Mutant(
            "AWS is reached through endpoints",
            "setsubtract(var.interface_endpoints, var.unavailable_endpoints)",
            'setsubtract(var.interface_endpoints, ["kafka"])',
        ),
        Mutant(
            "the role has its boundary", "permissions_boundary = var.permissions_boundary_arn", ""
        ),
    ),
    "msk": (
        Mutant("clients speak TLS", 'client_broker = "TLS"', 'client_broker = "TLS_PLAINTEXT"'),
        Mutant("brokers speak TLS", "in_cluster    = true", "in_cluster = false"),
        Mutant(
            "volumes are encrypted with our key",
            "encryption_at_rest_kms_key_arn = var.kms_key_arn",
            "",
        ),
        Mutant("clients prove who they are with IAM", "iam   = true", "iam = false"),
        Mutant("nobody enters in another way", "unauthenticated = false", "unauthenticated = true"),
        Mutant("brokers are private", '"DISABLED"', '"SERVICE_PROVIDED_EIPS"'),
        Mutant(
            "topics are made on purpose only",
            '"auto.create.topics.enable"      = "false"',
            '"auto.create.topics.enable" = "true"',
        ),
        Mutant(
            "no acknowledged record is lost with a broker",
            '"min.insync.replicas"            = "2"',
            '"min.insync.replicas" = "1"',
        ),
        Mutant(
            "brokers log, encrypted",
            "kms_key_id        = var.logs_kms_key_arn",
            "",
        ),
        Mutant(
            "open monitoring",
            "jmx_exporter {\n        enabled_in_broker = true",
            "jmx_exporter {\n        enabled_in_broker = false",
        ),
        Mutant(
            "storage grows by itself",
            "max_capacity       = var.max_volume_size_gib",
            "max_capacity = var.volume_size_gib",
        ),
    ),
    "connect": (
        Mutant(
            "the connector proves who it is with IAM",
            'authentication_type = "IAM"',
            'authentication_type = "NONE"',
        ),
        Mutant(
            "the connector speaks TLS", 'encryption_type = "TLS"', 'encryption_type = "PLAINTEXT"'
        ),
        Mutant("workers log, encrypted", "kms_key_id        = var.logs_kms_key_arn", ""),
        Mutant("secrets are read at run time", '= "secretsmanager"', '= "file"'),
    ),
    "iam": (
        Mutant(
            "every role has its boundary", "permissions_boundary = var.permissions_boundary_arn", ""
        ),
        Mutant(
            "services take roles for this account only",
            'Condition = { StringEquals = { "aws:SourceAccount" = var.account_id } }',
            'Condition = { StringEquals = { "aws:SourceAccount" = "*" } }',
        ),
        Mutant(
            "one repository and one environment deploy",
            '"repo:${var.github_repository}:environment:${var.environment}"',
            '"repo:${var.github_repository}:*"',
        ),
        Mutant(
            "the token is for AWS",
            '"token.actions.githubusercontent.com:aud"           = "sts.amazonaws.com"\n',
            "\n",
        ),
        Mutant(
            "another repository of the same name is another",
            '"token.actions.githubusercontent.com:repository_id" = var.github_repository_id\n',
            "\n",
        ),
        Mutant(
            "the job runs in the environment",
            '"token.actions.githubusercontent.com:environment"   = var.environment\n',
            "\n",
        ),
        Mutant(
            "main and releases are deployed and nothing else",
            'StringLike = { "token.actions.githubusercontent.com:ref"'
            ' = ["refs/heads/main", "refs/tags/v*"] }',
            "",
        ),
        Mutant(
            "nobody else deploys",
            'Principal = { Federated = "arn',
            'Principal = { AWS = "*", Federated = "arn',
        ),
        Mutant(
            "actions are named",
            'Action   = "redshift:GetClusterCredentialsWithIAM"',
            'Action   = "redshift:*"',
        ),
        Mutant(
            "the landing role writes to the landing zone only",
            'landing_objects = ["${var.bucket_arns["landing"]}/landing/*"',
            'landing_objects = ["${var.bucket_arns["landing"]}/*"',
        ),
        Mutant(
            "dbt reads no secret",
            "dbt = concat(local.warehouse_login, [",
            'dbt = concat(local.warehouse_login, [{ Sid = "All", Effect = "Allow", '
            'Action = "secretsmanager:GetSecretValue", Resource = "*" },',
        ),
        Mutant(
            "declared topics only",
            '"kafka-cluster:ReadData", "kafka-cluster:DescribeTopic"], '
            "Resource = local.landed_topics",
            '"kafka-cluster:ReadData", "kafka-cluster:DescribeTopic"], '
            'Resource = "${local.kafka.topic}/*"',
        ),
        Mutant("the lake's roles come with it", "var.lake_target ?", "true ?"),
    ),
    "glue": (
        Mutant(
            "jobs' logs are encrypted and end",
            "retention_in_days = var.log_retention_days",
            "retention_in_days = 731",
        ),
        Mutant(
            "what jobs write is encrypted",
            's3_encryption_mode = "SSE-KMS"\n      kms_key_arn        = var.kms_key_arn',
            's3_encryption_mode = "DISABLED"',
        ),
        Mutant(
            "what jobs log is encrypted",
            'cloudwatch_encryption_mode = "SSE-KMS"\n'
            "      kms_key_arn                = var.logs_kms_key_arn",
            'cloudwatch_encryption_mode = "DISABLED"',
        ),
        Mutant(
            "bookmarks are encrypted",
            'job_bookmarks_encryption_mode = "CSE-KMS"\n'
            "      kms_key_arn                   = var.kms_key_arn",
            'job_bookmarks_encryption_mode = "DISABLED"',
        ),
        Mutant(
            "jobs use the security configuration",
            "maintenance_window     = each.value.maintenance_window\n"
            "  security_configuration = aws_glue_security_configuration.this.name",
            "maintenance_window     = each.value.maintenance_window",
        ),
        Mutant(
            "the catalog is encrypted",
            'catalog_encryption_mode = "SSE-KMS"\n      sse_aws_kms_key_id      = var.kms_key_arn',
            'catalog_encryption_mode = "DISABLED"',
        ),
        Mutant("one run of a job at a time", "max_concurrent_runs = 1", "max_concurrent_runs = 2"),
        Mutant("landing jobs stream", '"gluestreaming"', '"glueetl"'),
        Mutant(
            "jobs run in the private network",
            'connection_type = "NETWORK"',
            'connection_type = "KAFKA"',
        ),
    ),
    "redshift": (
        Mutant(
            "each snapshot has its own name",
            r'"\\u003c", "<"',
            r'"\\u003c", "x"',
        ),
        Mutant(
            "a snapshot that is not taken is told",
            "arn = var.failed_starts_queue_arn",
            'arn = "arn:aws:sqs:eu-central-1:123456789012:other"',
        ),
        Mutant(
            "the cluster is encrypted",
            "encrypted                           = true",
            "encrypted = false",
        ),
        Mutant(
            "the cluster's traffic stays in the VPC",
            "enhanced_vpc_routing                = true",
            "enhanced_vpc_routing = false",
        ),
        Mutant(
            "the cluster is private",
            "publicly_accessible                 = false",
            "publicly_accessible = true",
        ),
        Mutant(
            "the cluster keeps its own password",
            "manage_master_password              = true",
            'master_password = "Secret123456"',
        ),
        Mutant(
            "the cluster speaks TLS only",
            'name  = "require_ssl"\n    value = "true"',
            'name = "require_ssl"\n    value = "false"',
        ),
        Mutant(
            "the workgroup speaks TLS only",
            'require_ssl                      = "true"',
            'require_ssl = "false"',
        ),
        Mutant(
            "identifiers are case sensitive",
            'name  = "enable_case_sensitive_identifier"\n    value = "true"',
            'name = "enable_case_sensitive_identifier"\n    value = "false"',
        ),
        Mutant(
            "the cluster's audit log",
            'log_destination_type = "cloudwatch"',
            'log_destination_type = "s3"',
        ),
        Mutant("audit logs are encrypted", "kms_key_id        = var.logs_kms_key_arn", ""),
        Mutant(
            "snapshots, one at the end too",
            "automated_snapshot_retention_period = var.snapshot_retention_days",
            "automated_snapshot_retention_period = 1",
        ),
        Mutant(
            "the cluster's use has limits",
            'spectrum            = { limit_type = "data-scanned", '
            "amount = var.provisioned.spectrum_tib_per_day }",
            "",
        ),
        Mutant(
            "the namespace is encrypted",
            "kms_key_id                       = var.kms_key_arn",
            "",
        ),
        Mutant(
            "the namespace keeps its own password",
            "manage_admin_password            = true",
            'admin_user_password = "Secret123456"',
        ),
        Mutant(
            "the namespace's audit log",
            'log_exports                      = ["connectionlog", "useractivitylog", "userlog"]',
            "log_exports = []",
        ),
        Mutant(
            "the workgroup's traffic stays in the VPC",
            "enhanced_vpc_routing = true\n  publicly_accessible  = false",
            "enhanced_vpc_routing = false\n  publicly_accessible  = true",
        ),
        Mutant(
            "the workgroup is private",
            "enhanced_vpc_routing = true\n  publicly_accessible  = false",
            "enhanced_vpc_routing = false\n  publicly_accessible  = true",
        ),
        Mutant(
            "snapshots of the namespace",
            "RetentionPeriod = var.snapshot_retention_days",
            "RetentionPeriod = 1",
        ),
        Mutant(
            "the workgroup's use has a limit", '"serverless-compute"', '"cross-region-datasharing"'
        ),
    ),
    "orchestration": (
        Mutant("a tag never changes its image", '"IMMUTABLE"', '"MUTABLE"'),
        Mutant("images are scanned", "scan_on_push = true", "scan_on_push = false"),
        Mutant(
            "images are encrypted",
            'encryption_type = "KMS"\n    kms_key         = var.logs_kms_key_arn',
            'encryption_type = "AES256"',
        ),
        Mutant(
            "a container cannot change itself",
            "readonlyRootFilesystem = true",
            "readonlyRootFilesystem = false",
        ),
        Mutant("a container is not root", '"10001:10001"', '"0:0"'),
        Mutant(
            "no setting in the task definition",
            "environment            = []",
            'environment = [{ name = "PASSWORD", value = "x" }]',
        ),
        Mutant("tasks are private", '"DISABLED"\n          }', '"ENABLED"\n          }'),
        Mutant("never two runs at once", 'Next = "AnotherRuns"', 'Next = "Family"'),
        Mutant("everything is tested once a week, whatever else runs", ", waits = true", ""),
        Mutant("a failed run is tried again", "MaxAttempts     = var.retries", "MaxAttempts = 0"),
        Mutant("runs are logged", 'level                  = "ALL"', 'level = "OFF"'),
        Mutant(
            "a start that failed is kept, encrypted",
            "kms_master_key_id         = var.logs_kms_key_arn",
            "",
        ),
        Mutant(
            "the warehouse is measured and its streams are archived",
            "var.warehouse_tasks.archive",
            "var.warehouse_tasks.measure",
        ),
        Mutant("the landing zone is looked after", '"landing", "expire"]', '"status"]'),
        Mutant("logs are encrypted", "kms_key_id        = var.logs_kms_key_arn", ""),
    ),
    "monitoring": (
        Mutant(
            "each alarm links its runbook",
            "What to do: ${var.runbook_url}#${each.value.page}",
            "Good luck.",
        ),
        Mutant(
            "each alarm tells somebody",
            "alarm_actions       = [aws_sns_topic.alarms.arn]",
            "alarm_actions = []",
        ),
        Mutant("alarms are encrypted", "kms_master_key_id = var.logs_kms_key_arn", ""),
        Mutant(
            "alarms travel by TLS only",
            '"aws:SecureTransport" = "false"',
            '"aws:SecureTransport" = "true"',
        ),
        Mutant("silence is an alarm", 'missing = "breaching"', 'missing = "missing"'),
        Mutant(
            "events reach the topic",
            'Principal = { Service = "events.amazonaws.com" }',
            'Principal = { Service = "events.amazonaws.com" }\n        '
            'Condition = { StringEquals = { "aws:SourceAccount" = var.account_id } }',
        ),
        Mutant("the budget warns", "{ ACTUAL = 80, FORECASTED = 100 }", "{ ACTUAL = 80 }"),
    ),
    "bootstrap": (
        Mutant(
            "one repository and one environment apply",
            '"token.actions.githubusercontent.com:sub"           = '
            '"repo:${var.github_repository}:environment:${each.value}"\n',
            "\n",
        ),
        Mutant(
            "a plan is another role", 'plan  = "${var.environment}-plan"', "plan = var.environment"
        ),
        Mutant(
            "the token is for AWS",
            '"token.actions.githubusercontent.com:aud"           = "sts.amazonaws.com"\n',
            "\n",
        ),
        Mutant(
            "another repository of the same name is another",
            '"token.actions.githubusercontent.com:repository_id" = var.github_repository_id\n',
            "\n",
        ),
        Mutant(
            "the job runs in the environment",
            '"token.actions.githubusercontent.com:environment"   = each.value\n',
            "\n",
        ),
        Mutant(
            "main is applied and nothing else",
            'apply = { StringEquals = { "token.actions.githubusercontent.com:ref"'
            ' = "refs/heads/main" } }',
            "apply = {}",
        ),
        Mutant(
            "main and pull requests are planned and nothing else",
            '["refs/heads/main", "refs/pull/*/merge"]',
            '["refs/*"]',
        ),
        Mutant(
            "nobody else takes the roles",
            "Principal = { Federated = local.oidc_provider }",
            'Principal = { Federated = local.oidc_provider, AWS = "*" }',
        ),
        Mutant(
            "a plan sees no contents",
            'Sid    = "NoContents"\n        Effect = "Deny"',
            'Sid    = "NoContents"\n        Effect = "Allow"',
        ),
        Mutant(
            "a plan reads no object but the state and Terraform's own",
            'Sid         = "NoOtherObjects"\n        Effect      = "Deny"',
            'Sid         = "NoOtherObjects"\n        Effect      = "Allow"',
        ),
        Mutant(
            "roles are made with the boundary only",
            'Condition = { StringEquals = { "iam:PermissionsBoundary" = local.boundary } }',
            "",
        ),
        Mutant(
            "what holds data is not deleted",
            "protected = var.deletion_protection ?",
            "protected = false ?",
        ),
        Mutant(
            "the role cannot change itself",
            'Sid    = "NotItself"\n        Effect = "Deny"',
            'Sid    = "NotItself"\n        Effect = "Allow"',
        ),
        Mutant("states are versioned", 'status = "Enabled"\n  }', 'status = "Suspended"\n  }'),
        Mutant(
            "states are encrypted",
            'sse_algorithm     = "aws:kms"\n      kms_master_key_id = aws_kms_key.state.arn',
            'sse_algorithm = "AES256"',
        ),
        Mutant(
            "states are private",
            "restrict_public_buckets = true",
            "restrict_public_buckets = false",
        ),
    ),
}

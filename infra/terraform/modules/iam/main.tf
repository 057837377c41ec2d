# The roles of services and of deployments, with all that they may do.
# Each role is a line in `services` (who may take it) and an entry in `statements` (what it may do).
# Where AWS knows a resource, the resource is named; the few "*" are actions without one.
locals {
  kafka = {
    cluster = var.msk_cluster_arn
    topic   = replace(var.msk_cluster_arn, ":cluster/", ":topic/")
    group   = replace(var.msk_cluster_arn, ":cluster/", ":group/")
  }
  topic_arns = { for topic in var.topics : topic => "${local.kafka.topic}/${topic}" }

  logs    = "arn:aws:logs:${var.region}:${var.account_id}:log-group"
  glue    = "arn:aws:glue:${var.region}:${var.account_id}"
  ec2     = "arn:aws:ec2:${var.region}:${var.account_id}"
  ecs     = "arn:aws:ecs:${var.region}:${var.account_id}"
  states  = "arn:aws:states:${var.region}:${var.account_id}"
  machine = "${local.states}:stateMachine:${var.name}-run"
  role    = "arn:aws:iam::${var.account_id}:role"

  landing_objects = ["${var.bucket_arns["landing"]}/landing/*", "${var.bucket_arns["landing"]}/checkpoints/*"]
  glue_databases  = { for layer in ["landing", "staging", "curated"] : layer => "${replace(var.name, "-", "_")}_${layer}" }

  services = merge(var.lake_target ? { batch = "glue.amazonaws.com", optimizer = "glue.amazonaws.com" } : {}, var.landing_replica == null ? {} : { replication = "s3.amazonaws.com" }, {
    landing    = "glue.amazonaws.com"
    connector  = "kafkaconnect.amazonaws.com"
    dbt        = "ecs-tasks.amazonaws.com"
    operations = "ecs-tasks.amazonaws.com"
    execution  = "ecs-tasks.amazonaws.com"
    runner     = "states.amazonaws.com"
    scheduler  = "scheduler.amazonaws.com"
  })

  trust = merge(
    { for role, service in local.services : role => {
      Version = "2012-10-17"
      Statement = [{
        Effect    = "Allow"
        Principal = { Service = service }
        Action    = "sts:AssumeRole"
        Condition = { StringEquals = { "aws:SourceAccount" = var.account_id } }
      }]
    } },
    {
      # Redshift does not document aws:SourceAccount for the roles it takes.
      redshift = {
        Version = "2012-10-17"
        Statement = [{
          Effect    = "Allow"
          Principal = { Service = ["redshift.amazonaws.com", "redshift-serverless.amazonaws.com"] }
          Action    = "sts:AssumeRole"
        }]
      }
      # Only jobs of this repository, for main or a release's tag, that run in this GitHub
      # environment, whose rules (approval, branches) then hold.
      deploy = {
        Version = "2012-10-17"
        Statement = [{
          Effect    = "Allow"
          Principal = { Federated = "arn:aws:iam::${var.account_id}:oidc-provider/token.actions.githubusercontent.com" }
          Action    = "sts:AssumeRoleWithWebIdentity"
          Condition = {
            StringEquals = {
              "token.actions.githubusercontent.com:aud"           = "sts.amazonaws.com"
              "token.actions.githubusercontent.com:sub"           = "repo:${var.github_repository}:environment:${var.environment}"
              "token.actions.githubusercontent.com:repository_id" = var.github_repository_id
              "token.actions.githubusercontent.com:environment"   = var.environment
            }
            StringLike = { "token.actions.githubusercontent.com:ref" = ["refs/heads/main", "refs/tags/v*"] }
          }
        }]
      }
    },
  )

  # ------------------------------------------------------------------------------- fragments

  use_data_key     = { Sid = "DataKey", Effect = "Allow", Action = ["kms:Decrypt", "kms:GenerateDataKey"], Resource = var.key_arns["data"] }
  read_with_key    = { Sid = "DataKey", Effect = "Allow", Action = "kms:Decrypt", Resource = var.key_arns["data"] }
  write_with_key   = { Sid = "DataKey", Effect = "Allow", Action = ["kms:Decrypt", "kms:Encrypt", "kms:GenerateDataKey"], Resource = var.key_arns["data"] }
  open_secrets_key = { Sid = "SecretsKey", Effect = "Allow", Action = "kms:Decrypt", Resource = var.key_arns["secrets"] }

  # Without ListBucket on the whole bucket S3 answers 403 instead of 404 for a missing object.
  list_landing = { Sid = "ListLanding", Effect = "Allow", Action = ["s3:ListBucket", "s3:GetBucketLocation"], Resource = var.bucket_arns["landing"] }

  own_metrics = {
    Sid       = "OwnMetrics"
    Effect    = "Allow"
    Action    = "cloudwatch:PutMetricData"
    Resource  = "*"
    Condition = { StringEquals = { "cloudwatch:namespace" = ["Glue", var.metrics_namespace] } }
  }

  # A task that takes its definition's tags is tagged as it starts (ECS Developer Guide, "Grant permission
  # to tag resources on creation").
  tag_tasks = {
    Sid       = "TagTasks"
    Effect    = "Allow"
    Action    = "ecs:TagResource"
    Resource  = "${local.ecs}:task/${var.name}/*"
    Condition = { StringEquals = { "ecs:CreateAction" = "RunTask" } }
  }

  connect_to_kafka = { Sid = "Cluster", Effect = "Allow", Action = ["kafka-cluster:Connect", "kafka-cluster:DescribeCluster"], Resource = local.kafka.cluster }

  landed_topics   = [for topic in setunion(var.table_topics, var.connector_topics) : local.topic_arns[topic]]
  redshift_topics = [for topic in var.table_topics : local.topic_arns[topic]]

  # Glue User Guide, "Setting up networking for Glue": what a job in a VPC does with its role.
  in_vpc = [
    {
      Sid      = "NetworkOfTheConnection"
      Effect   = "Allow"
      Action   = ["ec2:DescribeSubnets", "ec2:DescribeSecurityGroups", "ec2:DescribeVpcEndpoints", "ec2:DescribeRouteTables", "ec2:DescribeNetworkInterfaces"]
      Resource = "*"
    },
    { Sid = "NetworkAttributes", Effect = "Allow", Action = "ec2:DescribeVpcAttribute", Resource = "${local.ec2}:vpc/${var.vpc_id}" },
    {
      Sid    = "OwnNetworkInterfaces"
      Effect = "Allow"
      Action = "ec2:CreateNetworkInterface"
      Resource = concat(
        ["${local.ec2}:network-interface/*"],
        [for id in var.subnet_ids : "${local.ec2}:subnet/${id}"],
        ["${local.ec2}:security-group/${var.glue_security_group_id}"],
      )
    },
    {
      Sid       = "RemoveOwnNetworkInterfaces"
      Effect    = "Allow"
      Action    = "ec2:DeleteNetworkInterface"
      Resource  = "${local.ec2}:network-interface/*"
      Condition = { ArnEquals = { "ec2:Vpc" = "${local.ec2}:vpc/${var.vpc_id}" } }
    },
    {
      Sid       = "TagOwnNetworkInterfaces"
      Effect    = "Allow"
      Action    = ["ec2:CreateTags", "ec2:DeleteTags"]
      Resource  = "${local.ec2}:network-interface/*"
      Condition = { "ForAllValues:StringEquals" = { "aws:TagKeys" = ["aws-glue-service-resource"] } }
    },
  ]

  job_basics = concat(local.in_vpc, [
    {
      Sid      = "JobLogs"
      Effect   = "Allow"
      Action   = ["logs:CreateLogGroup", "logs:CreateLogStream", "logs:PutLogEvents", "logs:AssociateKmsKey"]
      Resource = ["${local.logs}:/aws-glue/jobs/${var.name}*", "${local.logs}:/aws-glue/jobs/${var.name}*:log-stream:*"]
    },
    {
      Sid      = "OwnCode"
      Effect   = "Allow"
      Action   = "s3:GetObject"
      Resource = "${var.bucket_arns["artifacts"]}/glue/*"
    },
    {
      Sid      = "ConnectionOfTheJob"
      Effect   = "Allow"
      Action   = "glue:GetConnection"
      Resource = ["${local.glue}:catalog", "${local.glue}:connection/${var.name}-network"]
    },
    {
      Sid      = "SecurityConfigurationOfTheJob"
      Effect   = "Allow"
      Action   = "glue:GetSecurityConfiguration"
      Resource = "*"
    },
    local.own_metrics,
    local.use_data_key,
  ])

  read_landing_tables = {
    Sid    = "LandingCatalog"
    Effect = "Allow"
    Action = ["glue:GetDatabase", "glue:GetTable", "glue:GetTables", "glue:GetPartition", "glue:GetPartitions", "glue:BatchGetPartition"]
    Resource = [
      "${local.glue}:catalog",
      "${local.glue}:database/${local.glue_databases["landing"]}",
      "${local.glue}:table/${local.glue_databases["landing"]}/*",
    ]
  }

  lake_databases = [for layer in ["staging", "curated"] : "${local.glue}:database/${local.glue_databases[layer]}"]
  lake_tables    = [for layer in ["staging", "curated"] : "${local.glue}:table/${local.glue_databases[layer]}/*"]

  warehouse_login = concat(
    var.redshift.workgroup_arn == null ? [] : [{
      Sid      = "LogInToTheWorkgroup"
      Effect   = "Allow"
      Action   = ["redshift-serverless:GetCredentials", "redshift-serverless:GetWorkgroup"]
      Resource = var.redshift.workgroup_arn
    }],
    var.redshift.cluster_identifier == null ? [] : [
      {
        Sid      = "LogInToTheCluster"
        Effect   = "Allow"
        Action   = "redshift:GetClusterCredentialsWithIAM"
        Resource = "arn:aws:redshift:${var.region}:${var.account_id}:dbname:${coalesce(var.redshift.cluster_identifier, "-")}/${var.redshift.database}"
      },
      {
        Sid    = "FindTheCluster"
        Effect = "Allow"
        # It knows no resource.
        Action   = "redshift:DescribeClusters"
        Resource = "*"
      },
    ],
  )

  take_snapshots = var.redshift.namespace_arn == null ? [] : [{
    Sid    = "TakeSnapshots"
    Effect = "Allow"
    Action = "redshift-serverless:CreateSnapshot"
    # A snapshot's ARN holds an identifier that does not exist yet.
    Resource = [var.redshift.namespace_arn, "arn:aws:redshift-serverless:${var.region}:${var.account_id}:snapshot/*"]
  }]

  # What MSK Connect does with the rights of who makes a connector: network interfaces and log delivery
  # (MSK Developer Guide, "Identity-based policy examples for MSK Connect").
  make_connectors = [
    {
      Sid      = "NetworkOfTheConnector"
      Effect   = "Allow"
      Action   = ["ec2:DescribeSubnets", "ec2:DescribeSecurityGroups", "ec2:DescribeVpcs"]
      Resource = "*"
    },
    {
      Sid    = "InterfacesOfTheConnector"
      Effect = "Allow"
      Action = "ec2:CreateNetworkInterface"
      Resource = concat(
        ["${local.ec2}:network-interface/*", "${local.ec2}:security-group/${var.connect_security_group_id}"],
        [for id in var.subnet_ids : "${local.ec2}:subnet/${id}"],
      )
    },
    merge(local.log_delivery, { Sid = "LogsOfTheConnector" }),
    {
      Sid    = "Connector"
      Effect = "Allow"
      Action = ["kafkaconnect:DescribeConnector", "kafkaconnect:DescribeConnectorOperation", "kafkaconnect:UpdateConnector", "kafkaconnect:DeleteConnector"]
      # MSK Connect adds a UUID to the name.
      Resource = [for kind in ["connector", "connector-operation"] : "arn:aws:kafkaconnect:${var.region}:${var.account_id}:${kind}/${var.name}-sqlserver/*"]
    },
    { Sid = "MakeConnector", Effect = "Allow", Action = ["kafkaconnect:CreateConnector", "kafkaconnect:ListConnectors"], Resource = "*" },
    {
      # The first connector of an account makes it (MSK Developer Guide, "Service-linked roles for MSK Connect").
      Sid       = "ServiceLinkedRole"
      Effect    = "Allow"
      Action    = "iam:CreateServiceLinkedRole"
      Resource  = "${local.role}/aws-service-role/kafkaconnect.amazonaws.com/AWSServiceRoleForKafkaConnect"
      Condition = { StringEquals = { "iam:AWSServiceName" = "kafkaconnect.amazonaws.com" } }
    },
    {
      Sid       = "ConnectorRole"
      Effect    = "Allow"
      Action    = "iam:PassRole"
      Resource  = "${local.role}/${var.name}-connector"
      Condition = { StringEquals = { "iam:PassedToService" = "kafkaconnect.amazonaws.com" } }
    },
  ]

  # What the schedule runs, and what a deployment tries out.
  task_definitions = [for family in ["dbt", "dbt-candidate", "operations", "operations-candidate"] : "${local.ecs}:task-definition/${var.name}-${family}:*"]

  # Log delivery has no resources (Step Functions Developer Guide, "Logging using CloudWatch Logs").
  log_delivery = {
    Sid    = "LogDelivery"
    Effect = "Allow"
    Action = [
      "logs:CreateLogDelivery", "logs:GetLogDelivery", "logs:UpdateLogDelivery", "logs:DeleteLogDelivery",
      "logs:ListLogDeliveries", "logs:PutResourcePolicy", "logs:DescribeResourcePolicies", "logs:DescribeLogGroups",
    ]
    Resource = "*"
  }

  # ------------------------------------------------------------------------- roles' statements

  statements = {
    landing = concat(local.job_basics, [
      local.list_landing,
      { Sid = "WriteLanding", Effect = "Allow", Action = ["s3:GetObject", "s3:PutObject", "s3:DeleteObject", "s3:AbortMultipartUpload"], Resource = local.landing_objects },
      local.connect_to_kafka,
      { Sid = "ReadTopics", Effect = "Allow", Action = ["kafka-cluster:ReadData", "kafka-cluster:DescribeTopic"], Resource = local.landed_topics },
      { Sid = "ConsumerGroups", Effect = "Allow", Action = ["kafka-cluster:AlterGroup", "kafka-cluster:DescribeGroup"], Resource = "${local.kafka.group}/lakehouse-landing*" },
    ])

    batch = concat(local.job_basics, [
      local.list_landing,
      local.read_landing_tables,
      { Sid = "ReadLanding", Effect = "Allow", Action = "s3:GetObject", Resource = "${var.bucket_arns["landing"]}/landing/*" },
      { Sid = "ListLake", Effect = "Allow", Action = ["s3:ListBucket", "s3:GetBucketLocation"], Resource = [var.bucket_arns["staging"], var.bucket_arns["curated"]] },
      { Sid = "WriteLake", Effect = "Allow", Action = ["s3:GetObject", "s3:PutObject", "s3:DeleteObject", "s3:AbortMultipartUpload"], Resource = ["${var.bucket_arns["staging"]}/*", "${var.bucket_arns["curated"]}/*"] },
      {
        Sid      = "LakeCatalog"
        Effect   = "Allow"
        Action   = ["glue:GetDatabase", "glue:GetTable", "glue:GetTables", "glue:CreateTable", "glue:UpdateTable", "glue:DeleteTable"]
        Resource = concat(["${local.glue}:catalog"], local.lake_databases, local.lake_tables)
      },
    ])

    optimizer = [
      local.use_data_key,
      { Sid = "ListCurated", Effect = "Allow", Action = ["s3:ListBucket", "s3:GetBucketLocation"], Resource = var.bucket_arns["curated"] },
      { Sid = "RewriteCurated", Effect = "Allow", Action = ["s3:GetObject", "s3:PutObject", "s3:DeleteObject"], Resource = "${var.bucket_arns["curated"]}/*" },
      {
        Sid    = "CuratedTables"
        Effect = "Allow"
        Action = ["glue:GetTable", "glue:UpdateTable"]
        Resource = [
          "${local.glue}:catalog",
          "${local.glue}:database/${local.glue_databases["curated"]}",
          "${local.glue}:table/${local.glue_databases["curated"]}/*",
        ]
      },
      {
        Sid      = "OptimizerLogs"
        Effect   = "Allow"
        Action   = ["logs:CreateLogGroup", "logs:CreateLogStream", "logs:PutLogEvents"]
        Resource = flatten([for kind in ["compaction", "retention", "orphan-file-deletion"] : ["${local.logs}:/aws-glue/iceberg-${kind}/logs", "${local.logs}:/aws-glue/iceberg-${kind}/logs:log-stream:*"]])
      },
    ]

    redshift = [
      local.connect_to_kafka,
      { Sid = "ReadTopics", Effect = "Allow", Action = ["kafka-cluster:ReadData", "kafka-cluster:DescribeTopic"], Resource = local.redshift_topics },
      # Redshift chooses the names of its consumer groups.
      { Sid = "ConsumerGroups", Effect = "Allow", Action = ["kafka-cluster:AlterGroup", "kafka-cluster:DescribeGroup"], Resource = "${local.kafka.group}/*" },
      local.read_landing_tables,
      # The warehouse deployment makes the external tables, and makes them anew when they change; each
      # build adds partitions (Amazon Redshift Database Developer Guide, "c-spectrum-iam-policies").
      merge(local.read_landing_tables, {
        Sid    = "DefineLandingTables"
        Action = ["glue:CreateTable", "glue:DeleteTable", "glue:BatchCreatePartition"]
      }),
      local.list_landing,
      { Sid = "ReadLanding", Effect = "Allow", Action = "s3:GetObject", Resource = "${var.bucket_arns["landing"]}/landing/*" },
      # Whoever writes to an encrypted catalog encrypts (Glue User Guide, "Setting up encryption").
      local.write_with_key,
    ]

    connector = [
      { Sid = "Cluster", Effect = "Allow", Action = ["kafka-cluster:Connect", "kafka-cluster:DescribeCluster", "kafka-cluster:WriteDataIdempotently"], Resource = local.kafka.cluster },
      { Sid = "WriteTopics", Effect = "Allow", Action = ["kafka-cluster:WriteData", "kafka-cluster:DescribeTopic"], Resource = local.landed_topics },
      { Sid = "SchemaHistory", Effect = "Allow", Action = ["kafka-cluster:WriteData", "kafka-cluster:ReadData", "kafka-cluster:DescribeTopic", "kafka-cluster:DescribeTopicDynamicConfiguration"], Resource = local.topic_arns[var.schema_history_topic] },
      # MSK Connect's own topics and groups (MSK Developer Guide, "IAM access control" of MSK Connect).
      { Sid = "InternalTopics", Effect = "Allow", Action = ["kafka-cluster:CreateTopic", "kafka-cluster:WriteData", "kafka-cluster:ReadData", "kafka-cluster:DescribeTopic"], Resource = "${local.kafka.topic}/__amazon_msk_connect_*" },
      { Sid = "Groups", Effect = "Allow", Action = ["kafka-cluster:AlterGroup", "kafka-cluster:DescribeGroup"], Resource = ["${local.kafka.group}/__amazon_msk_connect_*", "${local.kafka.group}/connect-*", "${local.kafka.group}/${var.topic_prefix}-schemahistory"] },
      { Sid = "Secrets", Effect = "Allow", Action = ["secretsmanager:GetSecretValue", "secretsmanager:DescribeSecret"], Resource = [var.secret_arns["shop-database"], var.secret_arns["pii-salt"]] },
      local.open_secrets_key,
    ]

    dbt = concat(local.warehouse_login, [
      { Sid = "DbtState", Effect = "Allow", Action = ["s3:GetObject", "s3:PutObject"], Resource = "${var.bucket_arns["artifacts"]}/state/*" },
      local.use_data_key,
    ])

    operations = concat(
      local.warehouse_login,
      # The connector's settings follow from a release's declarations: this role makes it, not Terraform.
      local.make_connectors,
      [
        local.connect_to_kafka,
        {
          Sid    = "ManageTopics"
          Effect = "Allow"
          Action = [
            "kafka-cluster:CreateTopic", "kafka-cluster:DescribeTopic", "kafka-cluster:AlterTopic", "kafka-cluster:ReadData",
            "kafka-cluster:DescribeTopicDynamicConfiguration", "kafka-cluster:AlterTopicDynamicConfiguration",
          ]
          Resource = values(local.topic_arns)
        },
        { Sid = "ConsumerGroups", Effect = "Allow", Action = ["kafka-cluster:DescribeGroup", "kafka-cluster:AlterGroup"], Resource = "${local.kafka.group}/lakehouse-*" },
        local.list_landing,
        { Sid = "WriteLanding", Effect = "Allow", Action = ["s3:GetObject", "s3:PutObject", "s3:DeleteObject", "s3:AbortMultipartUpload"], Resource = local.landing_objects },
        local.use_data_key,
        local.open_secrets_key,
        local.own_metrics,
        { Sid = "WarehouseAdministrator", Effect = "Allow", Action = "secretsmanager:GetSecretValue", Resource = var.redshift.admin_secret_arn },
      ],
    )

    execution = [
      { Sid = "LogInToEcr", Effect = "Allow", Action = "ecr:GetAuthorizationToken", Resource = "*" },
      { Sid = "PullImage", Effect = "Allow", Action = ["ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"], Resource = var.repository_arn },
      { Sid = "TaskLogs", Effect = "Allow", Action = ["logs:CreateLogStream", "logs:PutLogEvents"], Resource = "${local.logs}:/${var.name}/tasks:log-stream:*" },
      { Sid = "EnvironmentFile", Effect = "Allow", Action = "s3:GetObject", Resource = "${var.bucket_arns["artifacts"]}/environment/*" },
      { Sid = "EnvironmentFileBucket", Effect = "Allow", Action = "s3:GetBucketLocation", Resource = var.bucket_arns["artifacts"] },
      local.read_with_key,
    ]

    # Amazon S3 User Guide, "Setting up permissions for live replication" and "Replicating encrypted objects": with bucket keys the
    # context is the bucket.
    replication = flatten([for copy in var.landing_replica[*] : [
      { Sid = "ReadConfiguration", Effect = "Allow", Action = ["s3:GetReplicationConfiguration", "s3:ListBucket"], Resource = var.bucket_arns["landing"] },
      { Sid = "ReadLanding", Effect = "Allow", Action = ["s3:GetObjectVersionForReplication", "s3:GetObjectVersionAcl"], Resource = "${var.bucket_arns["landing"]}/landing/*" },
      { Sid = "WriteReplica", Effect = "Allow", Action = "s3:ReplicateObject", Resource = "arn:aws:s3:::${copy.bucket}/landing/*" },
      merge(local.read_with_key, { Condition = { StringEquals = { "kms:EncryptionContext:aws:s3:arn" = var.bucket_arns["landing"] } } }),
      {
        Sid       = "ReplicaKey"
        Effect    = "Allow"
        Action    = ["kms:Decrypt", "kms:Encrypt", "kms:GenerateDataKey"]
        Resource  = copy.key_arn
        Condition = { StringEquals = { "kms:EncryptionContext:aws:s3:arn" = "arn:aws:s3:::${copy.bucket}" } }
      },
    ]])

    runner = [
      {
        Sid       = "RunTasks"
        Effect    = "Allow"
        Action    = "ecs:RunTask"
        Resource  = [for family in ["dbt", "operations"] : "${local.ecs}:task-definition/${var.name}-${family}:*"]
        Condition = { ArnEquals = { "ecs:cluster" = "${local.ecs}:cluster/${var.name}" } }
      },
      local.tag_tasks,
      { Sid = "WatchTasks", Effect = "Allow", Action = ["ecs:DescribeTasks", "ecs:StopTask"], Resource = "${local.ecs}:task/${var.name}/*" },
      {
        Sid       = "TaskRoles"
        Effect    = "Allow"
        Action    = "iam:PassRole"
        Resource  = [for role in ["dbt", "operations", "execution"] : "${local.role}/${var.name}-${role}"]
        Condition = { StringEquals = { "iam:PassedToService" = "ecs-tasks.amazonaws.com" } }
      },
      # Step Functions' rule for "runTask.sync" (Step Functions Developer Guide, "IAM policies for ECS").
      { Sid = "WaitForTasks", Effect = "Allow", Action = ["events:PutTargets", "events:PutRule", "events:DescribeRule"], Resource = "arn:aws:events:${var.region}:${var.account_id}:rule/StepFunctionsGetEventsForECSTaskRule" },
      { Sid = "OtherRuns", Effect = "Allow", Action = "states:ListExecutions", Resource = local.machine },
      local.log_delivery,
      { Sid = "Traces", Effect = "Allow", Action = ["xray:PutTraceSegments", "xray:PutTelemetryRecords", "xray:GetSamplingRules", "xray:GetSamplingTargets"], Resource = "*" },
    ]

    scheduler = concat(local.take_snapshots, [
      { Sid = "StartRuns", Effect = "Allow", Action = "states:StartExecution", Resource = local.machine },
      {
        Sid       = "StartMeasurements"
        Effect    = "Allow"
        Action    = "ecs:RunTask"
        Resource  = "${local.ecs}:task-definition/${var.name}-operations:*"
        Condition = { ArnEquals = { "ecs:cluster" = "${local.ecs}:cluster/${var.name}" } }
      },
      {
        Sid       = "TaskRoles"
        Effect    = "Allow"
        Action    = "iam:PassRole"
        Resource  = [for role in ["operations", "execution"] : "${local.role}/${var.name}-${role}"]
        Condition = { StringEquals = { "iam:PassedToService" = "ecs-tasks.amazonaws.com" } }
      },
      { Sid = "FailedStarts", Effect = "Allow", Action = "sqs:SendMessage", Resource = "arn:aws:sqs:${var.region}:${var.account_id}:${var.name}-failed-starts" },
      { Sid = "QueueKey", Effect = "Allow", Action = ["kms:Decrypt", "kms:GenerateDataKey"], Resource = var.key_arns["logs"] },
      local.tag_tasks,
      # The schedules' inputs are encrypted (EventBridge Scheduler User Guide, "Encryption at rest").
      local.read_with_key,
    ])

    deploy = [
      { Sid = "LogInToEcr", Effect = "Allow", Action = "ecr:GetAuthorizationToken", Resource = "*" },
      {
        Sid    = "PushImage"
        Effect = "Allow"
        Action = [
          "ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:CompleteLayerUpload", "ecr:DescribeImages",
          "ecr:GetDownloadUrlForLayer", "ecr:InitiateLayerUpload", "ecr:PutImage", "ecr:UploadLayerPart",
        ]
        Resource = var.repository_arn
      },
      { Sid = "Releases", Effect = "Allow", Action = ["s3:GetObject", "s3:PutObject"], Resource = [for prefix in ["glue", "connect", "state"] : "${var.bucket_arns["artifacts"]}/${prefix}/*"] },
      { Sid = "ReadEnvironment", Effect = "Allow", Action = "s3:GetObject", Resource = [for prefix in ["environment"] : "${var.bucket_arns["artifacts"]}/${prefix}/*"] },
      { Sid = "ListArtifacts", Effect = "Allow", Action = ["s3:ListBucket", "s3:GetBucketLocation"], Resource = var.bucket_arns["artifacts"] },
      local.use_data_key,
      { Sid = "WhatRuns", Effect = "Allow", Action = ["ssm:GetParameter", "ssm:PutParameter"], Resource = "arn:aws:ssm:${var.region}:${var.account_id}:parameter/${var.name}/release/*" },
      {
        Sid      = "Jobs"
        Effect   = "Allow"
        Action   = ["glue:GetJob", "glue:UpdateJob", "glue:StartJobRun", "glue:GetJobRuns", "glue:BatchStopJobRun"]
        Resource = "${local.glue}:job/${var.name}-*"
      },
      { Sid = "ReadTaskDefinitions", Effect = "Allow", Action = "ecs:DescribeTaskDefinition", Resource = "*" },
      # A release's revision keeps the tags of the one before.
      { Sid = "TaskDefinitions", Effect = "Allow", Action = ["ecs:RegisterTaskDefinition", "ecs:TagResource"], Resource = local.task_definitions },
      {
        Sid       = "RunTasks"
        Effect    = "Allow"
        Action    = "ecs:RunTask"
        Resource  = local.task_definitions
        Condition = { ArnEquals = { "ecs:cluster" = "${local.ecs}:cluster/${var.name}" } }
      },
      { Sid = "WatchTasks", Effect = "Allow", Action = ["ecs:DescribeTasks", "ecs:StopTask"], Resource = "${local.ecs}:task/${var.name}/*" },
      {
        Sid       = "TaskRoles"
        Effect    = "Allow"
        Action    = "iam:PassRole"
        Resource  = [for role in ["dbt", "operations", "execution"] : "${local.role}/${var.name}-${role}"]
        Condition = { StringEquals = { "iam:PassedToService" = "ecs-tasks.amazonaws.com" } }
      },
      {
        Sid       = "JobRoles"
        Effect    = "Allow"
        Action    = "iam:PassRole"
        Resource  = [for role in ["landing", "batch"] : "${local.role}/${var.name}-${role}" if contains(keys(local.services), role)]
        Condition = { StringEquals = { "iam:PassedToService" = "glue.amazonaws.com" } }
      },
      { Sid = "ReadTaskLogs", Effect = "Allow", Action = "logs:GetLogEvents", Resource = "${local.logs}:/${var.name}/tasks:log-stream:*" },
    ]
  }
}

resource "aws_iam_role" "this" {
  for_each = local.trust

  name                 = "${var.name}-${each.key}"
  description          = local.descriptions[each.key]
  permissions_boundary = var.permissions_boundary_arn
  assume_role_policy   = jsonencode(each.value)
  # As long as the longest workflow may take: a session's keys are not renewed under way.
  max_session_duration = each.key == "deploy" ? 18000 : 3600
}

resource "aws_iam_role_policy" "this" {
  for_each = aws_iam_role.this

  name   = each.key
  role   = each.value.id
  policy = jsonencode({ Version = "2012-10-17", Statement = local.statements[each.key] })
}

locals {
  descriptions = {
    landing     = "Glue streaming jobs: Kafka to the landing zone."
    batch       = "Glue batch jobs: landing to staging to curated."
    optimizer   = "Glue table optimizers of the curated zone."
    redshift    = "Redshift: reads the topics and the landing zone."
    connector   = "Debezium on MSK Connect: writes the topics."
    dbt         = "ECS task: dbt."
    operations  = "ECS task: topics, schemas, connector, repairs."
    execution   = "ECS: pulls the image, writes the logs."
    replication = "S3: copies what is landed into another account."
    runner      = "Step Functions: runs tasks one at a time."
    scheduler   = "EventBridge Scheduler: starts the scheduled dbt build."
    deploy      = "GitHub Actions: releases of images, jobs and warehouse code."
  }
}

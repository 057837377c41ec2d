# The alarms, the dashboard, the budget.
# One table of alarms. Each alarm's name is a heading of the runbook, which its description links.
locals {
  brokers = { for number in ["1", "2", "3"] : number => { "Cluster Name" = var.msk_cluster_name, "Broker ID" = number } }

  # Each landing job reports how far it is behind, once a minute. Silence is an alarm too: then nobody
  # measures.
  landing_alarms = merge([
    for group, job in var.landing_jobs : {
      "landing-lag ${group}" = {
        page = "landing-lag", metric = "LandingLagSeconds", threshold = var.thresholds.landing_lag_seconds, job = job
        says = "The oldest record of ${group} that is on Kafka but not in the landing zone is too old."
      }
      "consumer-lag ${group}" = {
        page = "consumer-lag", metric = "ConsumerLagRecords", threshold = var.thresholds.consumer_lag_records, job = job
        says = "Too many records of ${group} wait on Kafka to be landed."
      }
    }
  ]...)

  # `lakehouse warehouse measure` puts these, on its schedule.
  warehouse_alarms = {
    streaming-view-errors = {
      metric = "StreamingViewErrors", threshold = 0
      says   = "A streaming view skipped records or could not refresh."
    }
    # Each measurement turns refreshes on again that it finds off: two in a row means that they stay off.
    streaming-view-stopped = {
      metric = "StoppedStreamingViews", threshold = 0
      says   = "A table has no streaming view, or one that Redshift does not refresh by itself."
    }
    streaming-view-stale = {
      metric = "StreamingViewLagSeconds", threshold = var.thresholds.stale_views_seconds
      says   = "A streaming view is not refreshed, or cannot keep up with its topic."
    }
    archive-overdue = {
      metric = "SecondsSinceArchive", threshold = var.thresholds.archive_seconds
      says   = "A streaming view has not been emptied into its archive."
    }
    quarantine-growth = {
      metric = "QuarantinedRecords", threshold = var.thresholds.quarantined_records
      says   = "More records than usual of the last day cannot be read."
    }
    schema-drift = {
      metric = "DriftedTables", threshold = 0
      says   = "A table of the shop has other columns than its declaration."
    }
    stale-marts = {
      metric = "SecondsSinceLastBuild", threshold = var.thresholds.stale_marts_seconds
      says   = "The last successful dbt build is too long ago."
    }
  }

  broker_alarms = merge([
    for number, dimensions in local.brokers : {
      "broker-disk ${number}" = {
        page       = "broker-disk", metric = "KafkaDataLogsDiskUsed", threshold = var.thresholds.broker_disk_percent
        dimensions = dimensions, says = "Broker ${number}'s disk fills faster than its storage grows."
      }
      "broker-cpu ${number}" = {
        page       = "broker-cpu", metric = "CpuUser", threshold = var.thresholds.broker_cpu_percent
        dimensions = dimensions, says = "Broker ${number} is busy: the cluster has no room for the loss of one."
      }
    }
  ]...)

  # Of the warehouse that Terraform makes (Amazon Redshift Management Guide, "Performance data in Amazon Redshift";
  # "Monitoring Amazon Redshift Serverless with CloudWatch").
  redshift_alarms = {
    serverless = {
      warehouse-saturated = {
        namespace = "AWS/Redshift-Serverless", dimensions = { Workgroup = var.name }, metric = "ComputeCapacity", statistic = "Average"
        threshold = var.warehouse.max_rpus, operator = "GreaterThanOrEqualToThreshold", period = 1800, periods = 4, missing = "notBreaching"
        says      = "The warehouse has been at its largest size for two hours: queries wait."
      }
    }
    provisioned = {
      warehouse-down = {
        namespace = "AWS/Redshift", dimensions = { ClusterIdentifier = var.name }, metric = "HealthStatus", statistic = "Minimum"
        threshold = 1, operator = "LessThanThreshold", period = 60, periods = 10, missing = "breaching"
        says      = "The cluster does not answer."
      }
      warehouse-saturated = {
        namespace = "AWS/Redshift", dimensions = { ClusterIdentifier = var.name }, metric = "CPUUtilization", statistic = "Average"
        threshold = 90, operator = "GreaterThanThreshold", period = 1800, periods = 4, missing = "notBreaching"
        says      = "The cluster has been busy for two hours: queries wait."
      }
      warehouse-disk = {
        namespace = "AWS/Redshift", dimensions = { ClusterIdentifier = var.name }, metric = "PercentageDiskSpaceUsed", statistic = "Average"
        threshold = 80, operator = "GreaterThanThreshold", period = 300, periods = 3, missing = "missing"
        says      = "The cluster's disks are nearly full."
      }
    }
    existing = {}
  }

  # What has failed is an event, not a metric: the rules count them, and tell what has failed.
  failures = {
    job-failed = {
      says    = "A Glue job failed, timed out or was stopped."
      pattern = { source = ["aws.glue"], detail-type = ["Glue Job State Change"], detail = { jobName = var.glue_job_names, state = ["FAILED", "TIMEOUT", "STOPPED", "ERROR"] } }
      names   = { job = "$.detail.jobName", state = "$.detail.state", run = "$.detail.jobRunId" }
      message = "Glue job <job> is <state> (run <run>)."
    }
    # What the schedule starts beside the runs, whichever it is. Runs are tried again and have an alarm of their own; who starts a
    # task with the delivery commands gets its exit code.
    task-failed = {
      says = "A scheduled task ended with an error, or could not start."
      pattern = {
        source      = ["aws.ecs"]
        detail-type = ["ECS Task State Change"]
        detail = {
          clusterArn = ["arn:aws:ecs:${var.region}:${var.account_id}:cluster/${var.name}"]
          lastStatus = ["STOPPED"]
          startedBy  = [{ anything-but = ["delivery", "AWS Step Functions"] }]
          "$or"      = [{ containers = { exitCode = [{ anything-but = 0 }] } }, { stopCode = ["TaskFailedToStart"] }]
        }
      }
      names   = { task = "$.detail.taskArn", reason = "$.detail.stoppedReason", command = "$.detail.overrides.containerOverrides[0].command" }
      message = "Task <task> failed: <reason> Command: <command>."
    }
  }

  alarms = merge(
    { for name, alarm in local.redshift_alarms[var.warehouse.mode] : name => merge(alarm, { page = name }) },
    {
      for name, failure in local.failures : name => {
        page   = name, namespace = "AWS/Events", dimensions = { RuleName = "${var.name}-${name}" }
        metric = "MatchedEvents", statistic = "Sum", threshold = 0, operator = "GreaterThanThreshold"
        period = 300, periods = 1, missing = "notBreaching", says = failure.says
      }
    },
    {
      for name, alarm in local.landing_alarms : replace(name, " ", "-") => {
        page       = alarm.page, namespace = var.metrics_namespace, metric = alarm.metric, says = alarm.says
        dimensions = { Environment = var.environment, Job = alarm.job }
        statistic  = "Maximum", threshold = alarm.threshold, operator = "GreaterThanThreshold"
        period     = 300, periods = 3, missing = "breaching"
      }
    },
    {
      for name, alarm in local.warehouse_alarms : name => {
        page       = name, namespace = var.metrics_namespace, metric = alarm.metric, says = alarm.says
        dimensions = { Environment = var.environment }
        statistic  = "Maximum", threshold = alarm.threshold, operator = "GreaterThanThreshold"
        period     = 60 * var.measure_minutes, periods = 2, missing = "breaching"
      }
    },
    {
      for name, alarm in local.broker_alarms : replace(name, " ", "-") => {
        page      = alarm.page, namespace = "AWS/Kafka", dimensions = alarm.dimensions, metric = alarm.metric
        statistic = "Average", threshold = alarm.threshold, operator = "GreaterThanThreshold"
        period    = 300, periods = 3, missing = "missing", says = alarm.says
      }
    },
    {
      offline-partitions = {
        page   = "offline-partitions", namespace = "AWS/Kafka", dimensions = { "Cluster Name" = var.msk_cluster_name }
        metric = "OfflinePartitionsCount", statistic = "Maximum", threshold = 0, operator = "GreaterThanThreshold"
        period = 60, periods = 5, missing = "missing", says = "Partitions have no leader: neither written nor read."
      }
      # The nightly workflow puts it, as the role that plans: in a namespace that only this alarm looks at. Without that role it
      # cannot, nor when it is cancelled: silence is an alarm too.
      configuration-drift = {
        page   = "configuration-drift", namespace = "${var.metrics_namespace}/Plan", dimensions = { Environment = var.environment }
        metric = "Drifted", statistic = "Maximum", threshold = 0, operator = "GreaterThanThreshold"
        period = 86400, periods = 1, missing = var.nightly_plan ? "breaching" : "notBreaching"
        says   = "The environment is not as planned, cannot be planned, or was not."
      }
      lost-records = {
        page   = "lost-records", namespace = var.metrics_namespace, dimensions = { Environment = var.environment }
        metric = "LostOffsets", statistic = "Sum", threshold = 0, operator = "GreaterThanThreshold"
        period = 300, periods = 1, missing = "notBreaching", says = "Somebody has accepted that records are lost."
      }
      connector-down = {
        page   = "connector-down", namespace = "AWS/KafkaConnect", dimensions = { ConnectorName = var.connector_name }
        metric = "RunningTaskCount", statistic = "Minimum", threshold = 1, operator = "LessThanThreshold"
        period = 300, periods = 2, missing = "breaching", says = "Debezium does not run: changes pile up in Azure SQL."
      }
      dbt-failed = {
        page   = "dbt-failed", namespace = "AWS/States", dimensions = { StateMachineArn = var.state_machine_arn }
        metric = "ExecutionsFailed", statistic = "Sum", threshold = 0, operator = "GreaterThanThreshold"
        period = 300, periods = 1, missing = "notBreaching", says = "A run failed after its retries."
      }
      # A run that took too long is not among those that failed.
      dbt-timed-out = {
        page   = "dbt-failed", namespace = "AWS/States", dimensions = { StateMachineArn = var.state_machine_arn }
        metric = "ExecutionsTimedOut", statistic = "Sum", threshold = 0, operator = "GreaterThanThreshold"
        period = 300, periods = 1, missing = "notBreaching", says = "A run took too long and was ended."
      }
      run-not-started = {
        page   = "run-not-started", namespace = "AWS/SQS", dimensions = { QueueName = var.failed_starts_queue_name }
        metric = "ApproximateNumberOfMessagesVisible", statistic = "Maximum", threshold = 0, operator = "GreaterThanThreshold"
        period = 300, periods = 1, missing = "notBreaching", says = "Scheduler could not start a run, or EventBridge not deliver an event."
      }
    },
  )
}

resource "aws_sns_topic" "alarms" {
  name              = "${var.name}-alarms"
  kms_master_key_id = var.logs_kms_key_arn
}

resource "aws_sns_topic_policy" "alarms" {
  arn = aws_sns_topic.alarms.arn
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Sid       = "AlarmsOfThisAccount"
        Effect    = "Allow"
        Principal = { Service = ["cloudwatch.amazonaws.com", "budgets.amazonaws.com", "s3.amazonaws.com"] }
        Action    = "sns:Publish"
        Resource  = aws_sns_topic.alarms.arn
        Condition = { StringEquals = { "aws:SourceAccount" = var.account_id } }
      },
      {
        # Without a condition: EventBridge supports none in a topic's policy (Amazon EventBridge User Guide, "Troubleshooting").
        Sid       = "Events"
        Effect    = "Allow"
        Principal = { Service = "events.amazonaws.com" }
        Action    = "sns:Publish"
        Resource  = aws_sns_topic.alarms.arn
      },
      {
        Sid       = "OnlyTls"
        Effect    = "Deny"
        Principal = "*"
        Action    = "sns:Publish"
        Resource  = aws_sns_topic.alarms.arn
        Condition = { Bool = { "aws:SecureTransport" = "false" } }
      },
    ]
  })
}

# A file that could not be copied into the other account: the message names it and the reason.
resource "aws_s3_bucket_notification" "replication" {
  for_each = var.replicated_buckets

  bucket = each.value

  topic {
    id        = "replication-failed"
    topic_arn = aws_sns_topic.alarms.arn
    events    = ["s3:Replication:OperationFailedReplication"]
  }

  # S3 tries the topic out.
  depends_on = [aws_sns_topic_policy.alarms]
}

resource "aws_sns_topic_subscription" "email" {
  for_each = var.alarm_emails

  topic_arn = aws_sns_topic.alarms.arn
  protocol  = "email"
  endpoint  = each.value
}

resource "aws_cloudwatch_metric_alarm" "this" {
  for_each = local.alarms

  alarm_name          = "${var.name}-${each.key}"
  alarm_description   = "${each.value.says} What to do: ${var.runbook_url}#${each.value.page}"
  namespace           = each.value.namespace
  metric_name         = each.value.metric
  dimensions          = each.value.dimensions
  statistic           = each.value.statistic
  comparison_operator = each.value.operator
  threshold           = each.value.threshold
  period              = each.value.period
  evaluation_periods  = each.value.periods
  datapoints_to_alarm = each.value.periods
  treat_missing_data  = each.value.missing
  alarm_actions       = [aws_sns_topic.alarms.arn]
  ok_actions          = [aws_sns_topic.alarms.arn]
}

resource "aws_cloudwatch_event_rule" "failed" {
  for_each = local.failures

  name          = "${var.name}-${each.key}"
  description   = each.value.says
  event_pattern = jsonencode(each.value.pattern)
}

resource "aws_cloudwatch_event_target" "failed" {
  for_each = local.failures

  rule = aws_cloudwatch_event_rule.failed[each.key].name
  arn  = aws_sns_topic.alarms.arn

  dead_letter_config {
    arn = var.failed_starts_queue_arn
  }

  input_transformer {
    input_paths    = each.value.names
    input_template = "\"${each.value.message} What to do: ${var.runbook_url}#${each.key}\""
  }
}

# A person has taken the role break-glass, which bootstrap makes. AssumeRole is a read-only event, which
# a rule sees in this state only (EventBridge User Guide, "Receiving read-only management events").
resource "aws_cloudwatch_event_rule" "break_glass" {
  name        = "${var.name}-break-glass"
  description = "Somebody has taken the role break-glass of this environment, or a user of this account was refused it."
  state       = "ENABLED_WITH_ALL_CLOUDTRAIL_MANAGEMENT_EVENTS"
  event_pattern = jsonencode({
    source      = ["aws.sts"]
    detail-type = ["AWS API Call via CloudTrail"]
    detail = {
      eventName         = ["AssumeRole"]
      requestParameters = { roleArn = ["arn:aws:iam::${var.account_id}:role/${var.name}-break-glass"] }
    }
  })
}

resource "aws_cloudwatch_event_target" "break_glass" {
  rule = aws_cloudwatch_event_rule.break_glass.name
  arn  = aws_sns_topic.alarms.arn

  dead_letter_config {
    arn = var.failed_starts_queue_arn
  }

  input_transformer {
    input_paths    = { who = "$.detail.requestParameters.roleSessionName", refused = "$.detail.errorCode" }
    input_template = "\"break-glass of ${var.name} was taken as <who> (refused: <refused>). What to do: ${replace(var.runbook_url, "operations.md", "break_glass.md")}#afterwards\""
  }
}

resource "aws_budgets_budget" "this" {
  name         = var.name
  budget_type  = "COST"
  time_unit    = "MONTHLY"
  limit_amount = tostring(var.monthly_budget_usd)
  limit_unit   = "USD"

  # The tag must be activated for cost allocation once (docs/cost.md).
  cost_filter {
    name   = "TagKeyValue"
    values = ["user:Environment$${var.environment}"]
  }

  dynamic "notification" {
    for_each = { ACTUAL = 80, FORECASTED = 100 }

    content {
      comparison_operator       = "GREATER_THAN"
      notification_type         = notification.key
      threshold                 = notification.value
      threshold_type            = "PERCENTAGE"
      subscriber_sns_topic_arns = [aws_sns_topic.alarms.arn]
    }
  }
}

resource "aws_cloudwatch_dashboard" "this" {
  dashboard_name = var.name
  dashboard_body = jsonencode({
    widgets = concat(
      [{
        type       = "alarm", x = 0, y = 0, width = 24, height = 4
        properties = { title = "Alarms", alarms = [for alarm in aws_cloudwatch_metric_alarm.this : alarm.arn] }
      }],
      [for index, widget in [for widget in local.widgets : widget if length(widget.metrics) > 0] : {
        type       = "metric", x = 12 * (index % 2), y = 4 + 6 * floor(index / 2), width = 12, height = 6
        properties = { title = widget.title, region = var.region, view = "timeSeries", period = 300, stat = widget.stat, metrics = widget.metrics }
      }],
    )
  })
}

locals {
  widgets = [
    { title = "Landing lag (seconds)", stat = "Maximum", metrics = [for job in var.landing_jobs : [var.metrics_namespace, "LandingLagSeconds", "Environment", var.environment, "Job", job]] },
    { title = "Records waiting on Kafka", stat = "Maximum", metrics = [for job in var.landing_jobs : [var.metrics_namespace, "ConsumerLagRecords", "Environment", var.environment, "Job", job]] },
    { title = "Streaming views behind (seconds)", stat = "Maximum", metrics = [[var.metrics_namespace, "StreamingViewLagSeconds", "Environment", var.environment]] },
    { title = "Seconds since the last build", stat = "Maximum", metrics = [[var.metrics_namespace, "SecondsSinceLastBuild", "Environment", var.environment]] },
    {
      title = "Records that cannot be read, or were lost", stat = "Maximum"
      metrics = [
        for metric in ["QuarantinedRecords", "DriftedTables", "LostOffsets", "StreamingViewErrors", "StoppedStreamingViews"] : [var.metrics_namespace, metric, "Environment", var.environment]
      ]
    },
    {
      title = "Failed: runs, tasks, jobs; not started", stat = "Sum"
      metrics = concat(
        [["AWS/States", "ExecutionsFailed", "StateMachineArn", var.state_machine_arn], ["AWS/SQS", "NumberOfMessagesSent", "QueueName", var.failed_starts_queue_name]],
        [for name in keys(local.failures) : ["AWS/Events", "MatchedEvents", "RuleName", "${var.name}-${name}"]],
      )
    },
    {
      title   = "Warehouse", stat = "Average"
      metrics = [for alarm in values(local.redshift_alarms[var.warehouse.mode]) : concat([alarm.namespace, alarm.metric], flatten([for key, value in alarm.dimensions : [key, value]]))]
    },
    { title = "Connector: records written", stat = "Average", metrics = [["AWS/KafkaConnect", "SourceRecordWriteRate", "ConnectorName", var.connector_name]] },
    { title = "Brokers: disk used (percent)", stat = "Average", metrics = [for number in ["1", "2", "3"] : ["AWS/Kafka", "KafkaDataLogsDiskUsed", "Cluster Name", var.msk_cluster_name, "Broker ID", number]] },
    { title = "Brokers: CPU (percent)", stat = "Average", metrics = [for number in ["1", "2", "3"] : ["AWS/Kafka", "CpuUser", "Cluster Name", var.msk_cluster_name, "Broker ID", number]] },
  ]
}

output "alarm_topic_arn" {
  description = "SNS topic of the alarms."
  value       = aws_sns_topic.alarms.arn
}

output "alarm_links" {
  description = "Descriptions of the alarms by name; each ends with the link to its runbook section."
  value       = { for name, alarm in aws_cloudwatch_metric_alarm.this : name => alarm.alarm_description }
}

output "dashboard_name" {
  description = "CloudWatch dashboard."
  value       = aws_cloudwatch_dashboard.this.dashboard_name
}

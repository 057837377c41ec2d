output "tables" {
  description = "Declared tables by name: description, topic, partitions, retention of topic and landing zone in days."
  value       = local.tables
}

output "connector_topics" {
  description = "The connector's own topics by the folder that their records are landed in."
  value       = local.connector_topics
}

output "schema_history_topic" {
  description = "Topic in which the SQL Server connector keeps the tables' past structure."
  value       = "schema-history.${local.connector.topic_prefix}"
}

output "topic_prefix" {
  description = "Prefix of all topics of the connector."
  value       = local.connector.topic_prefix
}

output "topics" {
  description = "Names of all topics of the connector, sorted: a table each, then the connector's own."
  value = sort(concat(
    [for table in local.tables : table.topic],
    values(local.connector_topics),
    var.connector == "sqlserver" ? ["schema-history.${local.connector.topic_prefix}"] : [],
  ))
}

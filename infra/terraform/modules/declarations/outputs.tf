output "file" {
  description = "Name of the file with the declarations, beside a release's other files."
  value       = local.file
}

output "tables" {
  description = "Declared tables by name: description, topics (one a tenant), partitions, retention of topic and landing zone in days."
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

  precondition {
    condition     = length(distinct([for own in local.connectors : own.topic_prefix])) == 1
    error_message = "One connector is made: the tenants of the source need one topic_prefix, and a database each."
  }
}

output "topics" {
  description = "Names of all topics of the connector, sorted: a table each, then the connector's own."
  value = sort(concat(
    flatten([for table in local.tables : table.topics]),
    values(local.connector_topics),
    var.connector == "sqlserver" ? ["schema-history.${local.connector.topic_prefix}"] : [],
  ))
}

# The declared tables and topics, for the other modules.
# They are declared once, for dbt. Everything that Terraform makes for a table or a topic is read from
# that file, so that a new table needs no change here.
locals {
  staging = "${path.module}/../../../../models/staging"
  sources = { for file in fileset(local.staging, "*/_*__sources.yml") : basename(file) => yamldecode(file("${local.staging}/${file}")).sources }
  file    = one([for file, sources in local.sources : file if can(sources[0].config.meta.connectors)])
  source  = one(local.sources[local.file])
  meta    = local.source.config.meta

  # A source without tenants is one that has no name.
  connectors = {
    for tenant, own in try(local.meta.tenants, { "" = {} }) :
    tenant => merge(try(local.meta.connectors[var.connector], {}), try(own[var.connector], {}))
  }
  connector = values(local.connectors)[0]

  tables = {
    for table in local.source.tables : table.name => {
      description = table.description
      topics = [
        for own in local.connectors : replace(
          replace(table.config.meta.topics[var.connector], "{prefix}", own.topic_prefix),
          "{database}", try(own.database[0], own.database, "{database}")
        )
      ]
      partitions             = table.config.meta.partitions
      topic_retention_days   = table.config.meta.topic_retention_days
      landing_retention_days = table.config.meta.landing_retention_days
    }
  }

  # Debezium's own topics, by the folder that their records are landed in (Debezium reference:
  # topic.heartbeat.prefix, provide.transaction.metadata, notification.sink.topic.name,
  # include.schema.changes).
  connector_topics = {
    debezium_heartbeat      = "__debezium-heartbeat.${local.connector.topic_prefix}"
    debezium_transaction    = "${local.connector.topic_prefix}.transaction"
    debezium_notification   = "${local.connector.topic_prefix}.notification"
    debezium_schema_changes = local.connector.topic_prefix
  }
}

{#- Written by `lakehouse declarations generate` from _retail__sources.yml; do not edit. -#}
{{ table_freshness() }}

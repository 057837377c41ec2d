{#- Written by `lakehouse declarations generate` from _retail__sources.yml; do not edit. -#}
{{ node_results() }}

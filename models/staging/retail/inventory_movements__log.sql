{#- Written by `lakehouse declarations generate` from _retail__sources.yml; do not edit. -#}
{{ config(
    materialized='incremental',
    incremental_strategy='append',
    on_schema_change='append_new_columns',
    pre_hook="{{ choose_landing_files('inventory_movements') }}",
    post_hook="{{ save_declaration('inventory_movements') }}"
) }}

{{ change_log('inventory_movements') }}

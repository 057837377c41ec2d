{#- Written by `lakehouse declarations generate` from _retail__sources.yml; do not edit.
    Redshift: distributed by the key, on which history joins the changes of a row;
    sorted by run, because every reader asks for the newest ones. -#}
{{ config(
    materialized='incremental',
    incremental_strategy='append',
    on_schema_change='append_new_columns',
    pre_hook="{{ choose_landing_files('promotions') }}",
    post_hook="{{ save_declaration('promotions') }}",
    dist='promotion_code',
    sort='_cdc_run'
) }}

{{ change_log('promotions') }}

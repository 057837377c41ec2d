{{ config(materialized='view') }}

{{ without_deleted(ref('fct_order_lines')) }}

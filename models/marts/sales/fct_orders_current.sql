{{ config(materialized='view') }}

{{ without_deleted(ref('fct_orders')) }}

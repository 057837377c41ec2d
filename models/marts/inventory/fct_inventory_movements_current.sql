{{ config(materialized='view') }}

{{ without_deleted(ref('fct_inventory_movements')) }}

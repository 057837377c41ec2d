{{ config(materialized='view') }}

{{ without_deleted(ref('dim_promotion')) }}

{{ config(materialized='view') }}

{{ without_deleted(ref('fct_payments')) }}

{{ config(materialized='incremental', unique_key='order_id', incremental_strategy='delete+insert') }}

select
    order_id,
    status,
    amount,
    updated_at
from {{ ref('stg_orders') }}
{% if is_incremental() %}
where updated_at > (select max(latest.updated_at) from {{ this }} as latest)
{% endif %}

select
    order_id,
    upper(status) as status,
    cast(amount as decimal(12, 2)) as amount,
    updated_at
from {{ source('shop', 'orders') }}

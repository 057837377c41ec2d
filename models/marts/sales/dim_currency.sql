{{ config(materialized='view') }}

select
    currencies.currency_code,
    currencies.currency_name,
    currencies.minor_units
from {{ ref('currencies').render() }} as currencies

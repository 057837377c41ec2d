"""Each data test of the project fails once on bad data: a test that cannot fail says nothing."""

from __future__ import annotations

import duckdb
import pytest
from dbt.artifacts.schemas.run import RunExecutionResult
from dbt.contracts.graph.nodes import GenericTestNode, SingularTestNode

from tests.kit.dbt import ROOT
from tests.kit.warehouse import Warehouse

# What makes each test fail: one statement on a warehouse in which all of them pass.
BAD_DATA = {
    "each_record_once": """
        insert into staging.customers__log
        select * from staging.customers__log where _cdc_status = 'accepted' limit 1
        """,
    "holds_what_was_landed": """
        delete from staging.orders__log
        where kafka_offset = (select max(kafka_offset) - 1 from staging.orders__log)
        """,
    "one_change_one_value": """
        insert into staging.orders__log
        select * replace ('another' as _cdc_row_hash)
        from staging.orders__log where _cdc_op = 'u' limit 1
        """,
    "unbroken_history": """
        update history.orders_history set dbt_valid_to = null
        where dbt_scd_id = (
            select min(dbt_scd_id) from history.orders_history where dbt_valid_to is not null
        )
        """,
    "every_change_has_its_version": """
        delete from history.payments_history
        where dbt_scd_id = (
            select min(dbt_scd_id) from history.payments_history where _cdc_op <> 'r'
        )
        """,
    "before_images_chain": """
        update history.customers_history set tier = 'another', _cdc_row_hash = 'another'
        where dbt_scd_id = (
            select min(dbt_scd_id) from (
                select
                    dbt_scd_id,
                    lead(_cdc_op) over (partition by customer_id order by _cdc_order) as next_op
                from history.customers_history
            )
            where next_op = 'u'
        )
        """,
    "is_empty": """
        insert into staging.products__log
        select * replace (
            -1 as kafka_offset, 'rejected' as _cdc_status, 'truncate' as _cdc_reject_reason
        )
        from staging.products__log limit 1
        """,
    "binds_to_valid_version": """
        update marts.fct_orders set customer_key = 'another'
        where order_id = (select min(order_id) from marts.fct_orders)
        """,
    "follows_business_rules": """
        update marts.fct_orders set status = 'lost'
        where order_id = (select min(order_id) from marts.fct_orders)
        """,
    "one_row_a_key": "insert into marts.fct_orders select * from marts.fct_orders limit 1",
    "refers_to_known_members": """
        update marts.fct_orders set placed_date = date '1999-12-31'
        where order_id = (select min(order_id) from marts.fct_orders)
        """,
    "relationships": """
        update marts.fct_payments set store_key = 'another'
        where payment_id = (select min(payment_id) from marts.fct_payments)
        """,
    "calendar_is_right": "delete from marts.dim_date where date_day = '2024-12-30'",
    "customer_values_equal_facts": """
        update marts.agg_customer_value set net_amount = net_amount + 1
        where customer_id = (select min(customer_id) from marts.agg_customer_value)
        """,
    "customer_versions_tile_time": """
        update marts.dim_customer set valid_to = valid_from
        where customer_key = (
            select min(customer_key) from marts.dim_customer where member_kind = 'member'
        )
        """,
    "daily_sales_equal_facts": """
        update marts.agg_daily_sales set net_amount = net_amount + 1
        where sales_date = (select max(sales_date) from marts.agg_daily_sales where order_count > 0)
        """,
    "daily_stock_equals_movements": """
        update marts.agg_daily_stock set closing_quantity = closing_quantity + 1
        """,
    "ledger_is_contiguous": """
        create table operations.torn as
        select * from operations.ledger where from_offset <> 0 or until_offset = 0;
        drop view operations.ledger;
        alter table operations.torn rename to ledger
        """,
    "line_costs_are_of_their_time": """
        update marts.fct_order_lines set unit_cost = unit_cost + 1
        where order_id = (select min(order_id) from marts.fct_order_lines where unit_cost > 0)
        """,
    "order_totals_equal_lines": """
        update marts.fct_orders set net_amount = net_amount + 1
        where order_id = (select min(order_id) from marts.fct_orders where not is_deleted)
        """,
    "reference_data_is_right": "insert into marts.holidays from marts.holidays limit 1",
    "returns_and_months_equal_facts": """
        update marts.agg_customer_months set order_count = order_count + 1
        where customer_id = (select min(customer_id) from marts.agg_customer_months)
        """,
    "store_days_are_in_their_time_zone": """
        update marts.dim_store set calendar_time_zone = 'UTC'
        where store_id = (select min(store_id) from marts.dim_store)
        """,
    "time_zones_are_known": "insert into staging.time_zones from staging.time_zones limit 1",
}

_SINGULAR = {
    path.stem for path in (ROOT / "tests/data").glob("*/*.sql") if path.parent.name != "generic"
}


def definition(node: object) -> str:
    """The name under which a data test is defined."""
    if isinstance(node, GenericTestNode):
        return node.test_metadata.name
    assert isinstance(node, SingularTestNode)
    return node.name


def failing(warehouse: Warehouse, *selection: str) -> set[str]:
    """Names of the selected data tests that fail or warn."""
    result = warehouse.invoke("test", "--vars", "{audit: full}", "--select", *selection).result
    assert isinstance(result, RunExecutionResult)
    assert result.results
    errors = [str(node.message) for node in result.results if node.status == "error"]
    assert not errors
    return {definition(node.node) for node in result.results if node.status in ("fail", "warn")}


def test_no_data_test_is_left_out(parsed: Warehouse) -> None:
    assert parsed.manifest is not None
    defined = {
        definition(node)
        for node in parsed.manifest.nodes.values()
        if isinstance(node, GenericTestNode | SingularTestNode)
    }
    assert defined == set(BAD_DATA)


@pytest.mark.parametrize("name", BAD_DATA)
def test_it_fails_on_bad_data(name: str, warehouse: Warehouse) -> None:
    with duckdb.connect(str(warehouse.file)) as connection:
        connection.execute(BAD_DATA[name])
    assert name in failing(warehouse, name if name in _SINGULAR else f"test_name:{name}")

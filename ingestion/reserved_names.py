"""Names that a declared column or table cannot have, because an engine or our own SQL has them.

The SQL writes declared names as they are, unquoted, beside columns of its own. Where both have one
name an engine takes either, without a word, or stops. Each list is compared by a test with what it
was made from: the engines, and the SQL as it is sent.
"""

from __future__ import annotations

from collections.abc import Mapping


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


RESERVED: Mapping[str, frozenset[str]] = {
    # r_pg_keywords of the Amazon Redshift Database Developer Guide
    "Redshift": _words("""
        aes128 aes256 all allowoverwrite analyse analyze and any array as asc authorization az64
        backup between binary blanksasnull both bytedict bzip2 case cast check collate column
        constraint create credentials cross current_date current_time current_timestamp current_user
        current_user_id default deferrable deflate defrag delta delta32k desc disable distinct do
        else emptyasnull enable encode encrypt encryption end except explicit false for foreign
        freeze from full globaldict256 globaldict64k grant group gzip having identity ignore ilike
        in initially inner intersect interval into is isnull join leading left like limit localtime
        localtimestamp lun luns lzo lzop minus mostly16 mostly32 mostly8 natural new not notnull
        null nulls off offline offset oid old on only open or order outer overlaps parallel
        partition percent permissions pivot placing primary raw readratio recover references
        rejectlog resort respect restore right select session_user similar snapshot some sysdate
        system table tag tdes text255 text32k then timestamp to top trailing true truncatecolumns
        union unique unnest unpivot user using verbose wallet when where with without
        """),
    # duckdb_keywords(): reserved, and those that only name types and functions
    "DuckDB": _words("""
        all analyse analyze and anti any array as asc asof asymmetric at authorization binary both
        by case cast check collate collation column columns concurrently constraint create cross
        default deferrable desc describe distinct do else end except false fetch for foreign freeze
        from full generated glob group having ilike in initially inner intersect into is isnull join
        lambda lateral leading left like limit map natural not notnull null offset on only or order
        outer overlaps pivot pivot_longer pivot_wider placing positional primary qualify references
        returning right select semi show similar some struct summarize symmetric table tablesample
        then to trailing true try_cast union unique unpack unpivot using variadic verbose when where
        window with
        """),
    # sql_keywords() with spark.sql.ansi.enforceReservedKeywords
    "Spark": _words("""
        all and any as authorization both call case cast check collate collation column constraint
        create cross current_date current_time current_timestamp current_user distinct else end
        escape except execute false fetch filter for foreign from full grant group having in inner
        intersect into is join lateral leading left natural not null offset on only or order outer
        overlaps primary recursive references right select session_user some sql table then time to
        trailing union unique unknown user using when where with within
        """),
    # pg_get_keywords(): catcode R and T
    "PostgreSQL": _words("""
        all analyse analyze and any array as asc asymmetric authorization binary both case cast
        check collate collation column concurrently constraint create cross current_catalog
        current_date current_role current_schema current_time current_timestamp current_user default
        deferrable desc distinct do else end except false fetch for foreign freeze from full grant
        group having ilike in initially inner intersect into is isnull join lateral leading left
        like limit localtime localtimestamp natural not notnull null offset on only or order outer
        overlaps placing primary references returning right select session_user similar some
        symmetric system_user table tablesample then to trailing true union unique user using
        variadic verbose when where window with
        """),
}
# What each row of a table has besides its columns: in DuckDB, and in PostgreSQL and Redshift.
SYSTEM_COLUMNS = frozenset(("rowid", "ctid", "cmax", "cmin", "tableoid", "xmax", "xmin"))
# Kafka's and dbt's columns; what else is our own begins with _, as no declared name can.
_PREFIXES = ("kafka_", "dbt_")
# What history shows beside a row's columns, and what its queries and data tests add to all of them.
HISTORY = _words("is_deleted next_valid_from previous_row_hash tracked_hash_before")
# Columns that queries and tests of history have beside the key, and beside no other column.
BESIDE_THE_KEY = _words("""
    begins_unknown deliveries first_offset follows_delete image_arrival_1 image_arrival_2
    image_arrival_3 image_arrival_4 image_op image_run image_sequence is_before_image
    is_corrected last_offset next_before_hash next_image_arrival_1 next_image_arrival_2
    next_image_arrival_3 next_image_arrival_4 next_image_op next_image_run next_image_sequence
    next_op next_place op_before previous_op sequence_before valid_from
    """)
# What the marts of a table show under a name that is none of the table's columns.
MARTS: Mapping[str, frozenset[str]] = {
    "customers": _words("""
        address_line_1 address_line_2 city country_code customer_key has_marketing_consent
        is_current member_kind postal_code region signed_up_at valid_from valid_to
        """),
    "customer_addresses": _words("""
        address_line_1 address_line_2 customer_key has_marketing_consent is_current member_kind
        signed_up_at valid_from valid_to
        """),
    "products": _words("category_name category_path product_name top_category_name"),
    "product_categories": _words("category_name category_path product_name top_category_name"),
    "stores": _words("calendar_time_zone closed_date opened_date store_name"),
    "promotions": _words("promotion_key promotion_name"),
    "orders": _words("""
        cancelled_date customer_key discount_amount gross_amount line_count net_amount
        paid_to_shipped_seconds placed_date placed_to_delivered_seconds placed_to_paid_seconds
        promotion_key returned_amount returned_unit_count shipped_to_delivered_seconds tax_amount
        unit_count
        """),
    "order_items": _words("""
        currency_code customer_id customer_key gross_amount net_amount placed_at placed_date
        returned_amount returned_date store_id
        """),
    "payments": _words("booked_date customer_id customer_key payment_kind payment_method store_id"),
    "inventory_movements": _words("moved_date time_zone"),
}
# What lies in the landing zone beside the declared tables.
_LANDED = frozenset(
    ("debezium_heartbeat", "debezium_notification", "debezium_transaction", "ledger")
)


def column_taken(table: str, name: str, *, is_key: bool) -> str | None:
    """What has the name `name`, so that no column of `table` can; None when it is free."""
    if engines := _reserved_by(name):
        return engines
    if name in SYSTEM_COLUMNS:
        return "is a system column of every table in the warehouse"
    if name in HISTORY or name.startswith(_PREFIXES):
        return "is one of the project's own in log, staging or history, which would take its place"
    if is_key and name in BESIDE_THE_KEY:
        return "is one that queries of history and their tests have beside the key"
    if name in MARTS.get(table, ()):
        return "is one under which a mart of the table shows something else"
    return None


def table_taken(name: str) -> str | None:
    """What has the name `name`, so that no declared table can; None when it is free."""
    return _reserved_by(name) or (
        "is one of the project's own in the landing zone" if name in _LANDED else None
    )


def _reserved_by(name: str) -> str | None:
    engines = [engine for engine, words in RESERVED.items() if name in words]
    return f"is a reserved word of {', '.join(engines)}" if engines else None

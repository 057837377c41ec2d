# ruff: noqa: E501 - statements and patterns of SQL stand in one line each
"""What Redshift's pages show: statements, accepted and (in redshift_refused.yml) refused, and answers.

They are asked of the stand-in in every test run, and of a real Redshift by `make test-aws`.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import yaml

REFUSED: dict[str, Any] = yaml.safe_load(
    (Path(__file__).parent / "redshift_refused.yml").read_text(encoding="utf-8")
)

# the tables that the examples are about
TABLES = (
    "create table t (a integer, b integer, c varchar(20), p super) diststyle even sortkey (a)",
    "create table s (a integer, b integer)",
    'insert into t values (1, 10, \'x\', json_parse(\'{"Name": "TV", "n": 1}\'))',
    "insert into s values (1, 11)",
    "insert into s values (2, 12)",
    "create table sales (a integer)",
    "create table sales_monthly (a integer)",
    "create table answered (a integer, p super)",
    "insert into answered values (1, json_parse('{\"n\": 1}'))",
    "insert into answered values (2, null)",
    "create view on_answered as select a from answered",
)
EXTERNAL_SCHEMAS = (
    "create external schema k from kafka iam_role default authentication iam uri 'b-1:9098'",
    "create external schema lake from data catalog database 'retail' iam_role default",
)

# page: statement that it shows, on the tables of this module
ACCEPTED = {
    "r_QUALIFY_clause": "select x.a, x.b from t as x qualify row_number() over (partition by a order by b) = 1",
    "r_MERGE matched update": "merge into t using s on t.a = s.a when matched then update set b = s.b"
    " when not matched then insert (a, b) values (s.a, s.b)",
    "r_MERGE subquery": "merge into t using (select a, b from s) as x on t.a = x.a"
    " when matched then delete when not matched then insert (a, b) values (x.a, x.b)",
    "r_DELETE using": "delete from t using s where t.a = s.a and s.b > 100",
    "r_UPDATE from": "update t set b = s.b from s where t.a = s.a",
    "r_MERGE source view or subquery": "merge into t using (select a, max(b) as b from s group by a) as my_source"
    " on t.a = my_source.a when matched then update set b = my_source.b"
    " when not matched then insert (a, b) values (my_source.a, my_source.b)",
    "r_UPDATE alias": "update t as x set b = x.b + 1, c = default where x.a = 1",
    "r_UPDATE with": "with x as (select a, b from s) update t set b = x.b from x where t.a = x.a",
    "c_Examples_of_UPDATE_statements subquery": "update t set b = (select max(b) from s) where a in (select a from s)",
    "c_Examples_of_UPDATE_statements self-join": "update t set b = y.b from t as y where t.a = y.a and y.b > 100",
    "c_Examples_of_UPDATE_statements inner join": "update t set b = s.b from s inner join sales on s.a = sales.a where t.a = s.a",
    "r_DELETE subquery": "delete from t where a in (select a from s where b > 1000)",
    "r_DELETE with": "with x as (select a from s where b > 1000) delete from t using x where t.a = x.a",
    "r_INSERT_30 select": "insert into s (select a, b from t)",
    "r_INSERT_30 rows": "insert into s values (5, 1), (6, default)",
    "r_INSERT_30 columns": "insert into s (b, a) values ((select max(b) from t), 7)",
    "r_INSERT_30 fewer values": "insert into s values (8)",
    "r_INSERT_30 default values": "insert into s default values",
    "r_WITH_clause": "with x as (select a from t), y as (select a from x) select y.a from y order by y.a limit 1",
    "r_UNION": "select a from t union all select a from s except select a from sales order by a limit 3",
    "r_ORDER_BY_clause": "select a from t order by b desc nulls last limit 2 offset 1",
    "r_scalar_subqueries": "select t.a, (select max(s.b) from s) as most from t",
    "r_exists_condition": "select t.a from t where exists (select 1 from s where s.a = t.a)",
    "r_correlated_subqueries": "select t.a from t where t.b = (select max(s.b) from s where s.a = t.a)",
    "r_FROM_clause30": "select x.a, y.b from (select a from t) as x full join s as y on x.a = y.a",
    "r_SELECT_list": "select x.a, from_a from (select a, b as from_a from t) as x",
    "r_GROUP_BY_clause": "select a, count(*), sum(b) from t group by a having count(*) > 1",
    "r_Window_function_synopsis": "select max(b) over (partition by a order by b rows between unbounded preceding and 1 following) from t",
    "r_WF_ROW_NUMBER": "select row_number() over (partition by a order by b desc nulls last) from t",
    "r_WF_SUM frame": "select sum(b) over (partition by a order by b rows unbounded preceding) from t",
    "r_WF_LAG": "select lag(b, 1) over (order by a) from t",
    "r_LISTAGG": "select listagg(c, ', ') within group (order by a) from t",
    "r_DATEADD_function": "select dateadd(month, 18, cast('2008-02-28' as timestamp))",
    "r_DATEDIFF_function": "select datediff(week, cast('2009-01-01' as date), cast('2009-01-08' as date))",
    "r_GETDATE": "select getdate()",
    "CONVERT_TIMEZONE": "select convert_timezone('EST', 'PST', cast('2008-08-21 07:23:54' as timestamp))",
    "REGEXP_SUBSTR": "select regexp_substr(c, '(x)', 1, 1, 'e') from t",
    "r_SHA2": "select sha2('Amazon Redshift', 256)",
    "query-super navigation": "select t.p.n from t",
    "query-super unpivot": "select t.a, attr, json_serialize(val) from t, unpivot t.p as val at attr",
    "JSON_TYPEOF": "select json_typeof(t.p) from t",
    "CAN_JSON_PARSE": "select can_json_parse('{\"a\": 1}')",
    "r_CREATE_VIEW replace": "create or replace view on_answered as select a from answered",
    "r_CREATE_VIEW late binding": "create view v as select a from public.t with no schema binding",
    "r_CREATE_TABLE_AS": "create table u diststyle key distkey (a) compound sortkey (a, b) as select a, b from t",
    "r_CREATE_TABLE_AS temporary": "create temporary table recent diststyle all backup no as select a from t",
    "r_CREATE_TABLE_NEW keys": "create table if not exists keyed (a integer not null, b varchar(30) encode lzo, primary key (a))"
    " diststyle key distkey (a) interleaved sortkey (a, b)",
    "r_CREATE_TABLE_NEW sort": "create table sorted (a integer sortkey, b varchar(max), p super) diststyle all",
    "r_CREATE_TABLE_NEW like": "create table alike (like t including defaults)",
    "r_DROP_VIEW": "drop view if exists v cascade",
    "r_DROP_SCHEMA": "drop schema if exists gone cascade",
    "r_RESET": "reset query_group",
    "r_DELETE without FROM": "delete t where a > 1000",
    "r_MERGE insert without columns": "merge into s using t on s.a = t.a when matched then delete when not matched then insert values (t.a, t.b)",
    "r_ANY_VALUE": "select a, any_value(b) from t group by a",
    "r_CREATE_TABLE_NEW ENCODE AUTO": "create table encoded (a integer encode az64, b varchar(9) encode zstd default 'x' not null) encode auto",
    "r_CREATE_TABLE_AS columns": "create table renamed (x, y) as select a, b from t",
    "r_ALTER_TABLE default": "alter table renamed add column z integer default 0 not null",
    "r_ALTER_TABLE drop a column": "alter table renamed drop column z cascade",
    "r_ALTER_TABLE key": "alter table renamed add unique (x, y)",
    "r_ALTER_TABLE primary key": "alter table encoded add primary key (b)",
    "r_ALTER_TABLE sort key": "alter table renamed alter sortkey (x), alter distkey y",
    "r_ALTER_TABLE no sort key": "alter table renamed alter sortkey none",
    "r_ALTER_TABLE distribution": "alter table renamed alter diststyle all",
    "r_ALTER_TABLE owner": "alter table renamed owner to engineer",
    "r_ANALYZE": "analyze renamed",
    "r_VACUUM_command": "vacuum delete only renamed to 75 percent",
    "r_VACUUM_command reindex": "vacuum reindex keyed",
    "r_ANALYZE columns": "analyze verbose t (a, b)",
    "r_WITH_clause columns": "with x (p) as (select a from t), y (q) as (select x.p from x) select y.q from y",
    "r_WF_NTILE": "select ntile(4) over (partition by a) from t",
    "r_SUBSTRING": "select substring('caterpillar' from 6 for 4)",
    "r_Datetime_types": "create table timed (a timestamp without time zone, b timestamp with time zone)",
    "r_CREATE_USER with a password": "create user strong password 'Abcdefg12'",
    "r_CREATE_ROLE of another": "create role own_role",
    "r_GRANT role with admin option": "grant role own_role to strong with admin option",
    "r_DROP_ROLE force": "drop role own_role force",
    "r_BEGIN": "begin isolation level serializable read write",
    "r_COMMIT": "commit work",
    "r_error_on_nondeterministic_update": "set error_on_nondeterministic_update to true",
    "r_ALTER_TABLE": "alter table u add column d varchar(30)",
    "r_ALTER_TABLE rename column": "alter table u rename column d to e",
    "r_ALTER_TABLE drop column": "alter table u drop column e",
    "r_COMMENT": "comment on table u is 'a table'",
    "r_LOCK": "lock t",
    "r_SET": "set query_group to 'dbt'",
    "r_CREATE_EXTERNAL_TABLE": "create external table lake.sales (id integer, price decimal(8,2))"
    " partitioned by (saledate date) stored as parquet location 's3://lake/sales/'",
    "r_ALTER_TABLE_external-table": "alter table lake.sales add if not exists"
    " partition (saledate = '2008-01-01') location 's3://lake/sales/saledate=2008-01-01/'",
    "r_CREATE_EXTERNAL_TABLE JSON": "create external table lake.written (file varchar(100), rows_written bigint)"
    " row format serde 'org.openx.data.jsonserde.JsonSerDe' location 's3://lake/written/'",
    "r_ALTER_TABLE_external-table several": "alter table lake.sales add if not exists partition (saledate = '2008-02-01')"
    " location 's3://lake/sales/saledate=2008-02-01/' partition (saledate = '2008-03-01')"
    " location 's3://lake/sales/saledate=2008-03-01/'",
    "r_CREATE_EXTERNAL_TABLE pseudocolumns": "select x.\"$path\", x.price from lake.sales as x where x.saledate > '2008-01-31'",
    "r_CREATE_EXTERNAL_TABLE data handling": "create external table lake.raw (value varbyte(16777216))"
    " stored as parquet location 's3://lake/raw/'"
    " table properties ('data_cleansing_enabled' = 'true', 'surplus_bytes_handling' = 'FAIL')",
    "r_DROP_TABLE external": "drop table lake.written",
    "r_CREATE_USER": 'create user "IAMR:builds" password disable',
    "r_ALTER_USER": "alter user \"IAMR:builds\" password 'Sekret123'",
    "r_CREATE_ROLE": "create role r",
    "r_CREATE_MASKING_POLICY": "create masking policy m with (value varchar(20)) using ('***'::varchar(20))",
    "r_ATTACH_MASKING_POLICY": "attach masking policy m on t (c) to role r priority 10",
    "r_GRANT": "grant select on all tables in schema public to role r",
    "r_CREATE_SCHEMA": "create schema if not exists us_sales",
    "r_ALTER_SCHEMA": "alter schema us_sales owner to engineer",
    "r_GRANT scoped": "grant select for tables in schema us_sales to role r",
    "r_REVOKE scoped": "revoke select for tables in schema us_sales from role r",
    "r_GRANT system permissions": "grant create schema, access system table to role r",
    "r_GRANT database": "grant create, temp on database dev to role r",
    "r_GRANT table": "grant select, insert on table t, s to role r, engineer",
    "r_GRANT role to a user": 'grant role r to "IAMR:builds" with admin option',
    "r_REVOKE role": 'revoke role r from "IAMR:builds"',
    "r_REVOKE": "revoke insert on t from role r",
    "r_DROP_USER": 'drop user "IAMR:builds"',
    "r_ALTER_DEFAULT_PRIVILEGES": "alter default privileges in schema public grant select on tables to role r",
    "r_GRANT role": "grant role r to engineer",
    "r_DETACH_MASKING_POLICY": "detach masking policy m on t (c) from role r",
    "r_DROP_MASKING_POLICY": "drop masking policy m",
    "r_GRANT external schema": "grant usage on schema lake to role r",
    "r_GRANT schema": "grant create, usage on schema us_sales to role r",
    "r_CREATE_EXTERNAL_SCHEMA data catalog": "create external schema spectrum_schema from data catalog database"
    " 'sampledb' region 'us-west-2' iam_role 'arn:aws:iam::123456789012:role/MySpectrumRole'",
    "r_CREATE_EXTERNAL_SCHEMA kafka, mutual TLS": "create external schema my_schema from kafka iam_role"
    " 'arn:aws:iam::012345678901:role/my_role' authentication mtls"
    " secret_arn 'arn:aws:secretsmanager:us-east-1:012345678910:secret:myMTLSSecret' uri 'b-1:9094,b-2:9094'",
    "r_ALTER_EXTERNAL_SCHEMA": "alter external schema k uri 'b-2:9098'",
    "materialized-view-streaming-ingestion-getting-started-MSK": "create materialized view orders_mv auto refresh"
    " yes as select kafka_partition, kafka_offset, refresh_time, json_parse(kafka_value) as data from"
    ' k."mytopic" where can_json_parse(kafka_value)',
    "r_ALTER_MATERIALIZED_VIEW": "alter materialized view orders_mv auto refresh no",
    "r_TRUNCATE of a streaming view": "truncate orders_mv",
    "materialized-view-drop-sql-command": "drop materialized view orders_mv",
    "r_ALTER_TABLE_APPEND": "alter table sales append from sales_monthly",
    "r_TRUNCATE": "truncate sales",
    "r_DROP_TABLE": "drop table if exists sales_monthly",
    "r_COMMENT view": "comment on view on_answered is 'a view'",
    "r_COMMENT column": "comment on column u.a is 'a column'",
    "r_ALTER_TABLE rename": "alter table u rename to u_new",
    "r_SHOW": "show enable_case_sensitive_identifier",
}


# page: statement that it forbids, and that PostgreSQL refuses too, so that no rule is needed
REFUSED_BY_BOTH = {
    "r_CREATE_TABLE_NEW temporary in a schema": "create temporary table public.passing (a integer)",
    "r_CREATE_TABLE_NEW subquery as default": "create table j (a integer default (select 1))",
    "r_CREATE_VIEW schema of a late-binding view": "create view nowhere.v as select a from public.t with no schema binding",
    "r_CREATE_SCHEMA name twice": "create schema public",
    "r_INSERT_30 more values than columns": "insert into s values (1, 2, 3)",
    "r_WITH_clause name twice": "with x as (select a from t), x as (select a from s) select x.a from x",
    "r_WITH_clause forward reference": "with x as (select a from y), y as (select a from t) select x.a from x",
    "r_WITH_clause outside its scope": "select x.a from (with x as (select a from t) select a from x) as y, x",
    "r_UNION columns": "select a, b from t union all select a from s",
    "r_GROUP_BY_clause column in no group": "select a, b, count(*) from t group by a",
    "r_ORDER_BY_clause negative limit": "select a from t order by a limit -1",
    "r_DROP_TABLE in use": "drop table answered",
    "r_ALTER_TABLE column twice": "alter table t add column a integer",
    "c_unsupported-postgresql-features system columns": "create table j (ctid integer)",
    "CONVERT_TIMEZONE unknown zone": "select convert_timezone('UTC', 'Mars/Olympus', cast('2008-08-21' as timestamp))",
    "r_CREATE_ROLE name of a user": "create role engineer",
}


@dataclass(frozen=True)
class Answer:
    """A question that our SQL relies on, and the rows that Redshift gives."""

    question: str
    sql: str
    rows: list[list[object]]
    source: str


ANSWERS = (
    Answer("json_null_is_not_absent", "select json_typeof(x.p.a), json_typeof(x.p.b) from"
           " (select json_parse('{\"a\": null}') as p) as x", [["null", None]], "JSON_TYPEOF"),
    Answer("a_failed_cast_is_null", "select cast(x.p.a as varchar(10)) from"
           " (select json_parse('{\"a\": [1]}') as p) as x", [[None]], "super-configurations"),
    Answer("duplicate_names_do_not_parse", "select can_json_parse('{\"a\": 1, \"a\": 2}')", [[False]],
           "super-configurations"),
    Answer("nan_does_not_parse", "select can_json_parse('{\"a\": NaN}')", [[False]], "CAN_JSON_PARSE"),
    Answer("an_exponent_makes_a_float", "select is_float(json_parse('1e3'))", [[True]], "r_is_float"),
    Answer("numbers_serialize_as_written", "select json_serialize(json_parse('1.50'))", [["1.50"]],
           "JSON_SERIALIZE"),
    Answer("varchar_is_cut_by_bytes", "select cast('äöü' as varchar(5))", [["äö"]], "r_Character_types"),
    Answer("length_counts_characters", "select length('äöü'), octet_length('äöü')", [[3, 6]], "r_LEN"),
    Answer("md5_is_of_utf8", "select md5('Zoë')", [["fb44af73417cf03c023d098e7f07c114"]], "r_MD5"),
    Answer("null_sorts_last", "select x.a from (select 1 as a union all select null as a) as x order by x.a",
           [[1], [None]], "r_ORDER_BY_clause"),
    Answer("bytes_order_text", "select x.a from (select 'a' as a union all select 'B' as a) as x order by x.a",
           [["B"], ["a"]], "c_collation_sequences"),
    Answer("listagg_orders", "select listagg(a, ',') within group (order by a desc) from answered", [["2,1"]], "r_LISTAGG"),
    Answer("months_end_where_they_end", "select dateadd(month, 1, cast('2024-01-31' as timestamp)) ="
           " cast('2024-02-29' as timestamp)", [[True]], "r_DATEADD_function"),
    Answer("weeks_are_boundaries", "select datediff(day, cast('2024-01-01 23:59:59' as timestamp),"
           " cast('2024-01-02 00:00:00' as timestamp))", [[1]], "r_DATEDIFF_function"),
    Answer("time_zones_know_summer", "select to_char(convert_timezone('UTC', 'Europe/London',"
           " cast('2024-07-01 12:00:00' as timestamp)), 'HH24:MI')", [["13:00"]], "CONVERT_TIMEZONE"),
    Answer("no_match_is_empty", "select regexp_substr('abc', 'x')", [[""]], "REGEXP_SUBSTR"),
    Answer("group_of_a_match", "select regexp_substr('a=12', '([0-9]+)', 1, 1, 'e')", [["12"]], "REGEXP_SUBSTR"),
    Answer("decimals_keep_their_scale", "select cast(cast('1.50' as decimal(10, 2)) as varchar(10))", [["1.50"]],
           "r_Numeric_types201"),
    Answer("sums_of_decimals_are_exact", "select sum(cast(x.a as decimal(18, 2))) from (select '0.10' as a"
           " union all select '0.20' as a) as x", [[Decimal("0.30")]], "r_SUM"),
    Answer("attributes_unpivot", "select x_attr from answered as t, unpivot t.p as x_value at x_attr where x_attr = 'n'",
           [["n"]], "query-super"),
    Answer("weeks_of_a_year", "select datediff(week, cast('2009-01-01' as timestamp), cast('2009-12-31' as timestamp))",
           [[52]], "r_DATEDIFF_function"),
    Answer("quarters_since_1998", "select datediff(qtr, cast('1998-07-01' as timestamp), cast('2008-10-15' as timestamp))",
           [[41]], "r_DATEDIFF_function"),
    Answer("quarters_later", "select dateadd(quarter, 2, cast('2008-02-28' as timestamp)) = cast('2008-08-28' as timestamp)",
           [[True]], "r_DATEADD_function"),
    Answer("a_decimal_has_no_fraction", "select cast('1.5' as decimal)", [[Decimal(2)]], "r_Numeric_types201"),
    Answer("scale_of_a_quotient", "select cast(7 as decimal(5, 2)) / cast(3 as decimal(5, 2))", [[Decimal("2.333333")]],
           "r_numeric_computations201"),
    Answer("digits_of_a_float", "select cast(cast(0.1 as float8) + cast(0.2 as float8) as varchar(30))", [["0.3"]],
           "r_extra_float_digits"),
    Answer("null_in_concat", "select concat('a', null), 'a' || null", [[None, None]], "r_CONCAT"),
    Answer("number_of_a_super", "select cast(x.p.a as varchar(10)) from (select json_parse('{\"a\": 1}') as p) as x",
           [["1"]], "query-super"),
    Answer("longest_hash", "select length(sha2('a', 512))", [[128]], "SHA2"),
    Answer("a_super_is_its_json", "select json_parse('{\"a\": \"x\"}')", [['{"a":"x"}']], "query-super"),
    Answer("blanks_count_in_texts_of_a_super", "select json_size(json_parse('{ \"a\" : \" x\" }')), json_serialize(json_parse('{ \"a\" : \" x\" }'))",
           [[10, '{"a":" x"}']], "r_json_size"),
    Answer("listagg_leaves_empty_texts_out", "select listagg(case when a = 1 then '' else 'x' end, ',') within group (order by a) from answered",
           [["x"]], "r_LISTAGG"),
    Answer("hex_is_lower_case", "select from_varbyte(cast('Z' as varbyte), 'hex')", [["5a"]], "r_FROM_VARBYTE"),
)  # fmt: skip

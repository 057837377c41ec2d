-- What Redshift has and PostgreSQL has not: SUPER, functions, system views. Sources: the pages of the
-- Amazon Redshift Database Developer Guide with the same names.
create schema redshift;
create schema standin;
-- SUPER: a type of its own, so that nothing works on it which Redshift does not have.
create type redshift.super as (v json);
create function redshift.nav(value redshift.super, attribute text) returns redshift.super language plpgsql immutable strict as $$
declare
    found json := value.v -> attribute;
begin
    -- `->` on a scalar and on an array is null, as lax navigation is
    return case when found is not null then row(found)::redshift.super end;
end
$$;
-- CAN_JSON_PARSE, JSON_PARSE: no duplicate names in one object, no string over 65,535 bytes, no more
-- than 1,000 levels, 16 MB (SUPER configurations; SUPER type limitations).
create function standin.longest_string(value json) returns int language sql immutable as $$
    select coalesce(max(length(match[1])), 0)
    from regexp_matches(value::text, '"((?:[^"\\]|\\.)*)"', 'g') as match
$$;
-- JSON may hold U+0000, PostgreSQL's texts do not: U+E000 stands for it, until JSON_SERIALIZE
create function standin.hold(content text) returns text language sql immutable as $$
    select case
        when strpos(content, '\u0000') = 0 then content
        else regexp_replace(content, '(?<!\\)((?:\\\\)*)\\u0000', '\1\\ue000', 'g')
    end
$$;
create function redshift.can_json_parse(value bytea) returns boolean language plpgsql immutable as $$
declare
    content text;
begin
    if value is null then
        return null;
    end if;
    content := convert_from(value, 'UTF8');
    content := standin.hold(content);
    if not content is json with unique keys then
        return false;
    end if;
    -- the cast to jsonb refuses what `is json` lets through (lone surrogates, depth)
    perform content::jsonb;
    return octet_length(value) <= 16777216
        and (octet_length(value) <= 65535 or standin.longest_string(content::json) <= 65535)
        and standin.depth(content) <= 1000;
exception when others then
    return false;
end
$$;
create function standin.depth(content text) returns int language sql immutable as $$
    select case when length(content) - length(translate(content, '[{', '')) <= 1000 then 0 else (
        select coalesce(max(depth), 0)
        from (
            select sum(case when letter in ('[', '{') then 1 when letter in (']', '}') then -1 else 0 end)
                over (order by place) as depth
            from regexp_split_to_table(
                regexp_replace(content, '"(?:[^"\\]|\\.)*"', '', 'g'), ''
            ) with ordinality as letters(letter, place)
        ) as depths
    ) end
$$;
create function redshift.json_parse(value bytea) returns redshift.super language plpgsql immutable as $$
begin
    if value is null then
        return null;
    end if;
    if not redshift.can_json_parse(value) then
        raise exception using message = 'Invalid JSON format: the value could not be parsed';
    end if;
    return row(standin.hold(convert_from(value, 'UTF8'))::json)::redshift.super;
end
$$;
create function redshift.can_json_parse(value text) returns boolean language sql immutable as $$ select redshift.can_json_parse(convert_to(value, 'UTF8')) $$;
create function redshift.json_parse(value text) returns redshift.super language sql immutable as $$ select redshift.json_parse(convert_to(value, 'UTF8')) $$;
create function redshift.json_typeof(value redshift.super) returns varchar language plpgsql immutable strict as $$ begin return json_typeof(value.v); end $$;
-- a SUPER keeps no blanks between what it holds
create function standin.compact(value redshift.super) returns text language plpgsql immutable strict as $$
begin
    return replace(regexp_replace(value.v::text, '("(?:[^"\\]|\\.)*")|\s+', '\1', 'g'), '\ue000', '\u0000');
end
$$;
create function redshift.json_size(value redshift.super) returns int language plpgsql immutable strict as $$ begin return octet_length(standin.compact(value)); end $$;
create function redshift.json_serialize(value redshift.super) returns varchar language plpgsql immutable strict as $$ begin return redshift.bounded(standin.compact(value)); end $$;
-- a number with an exponent becomes a FLOAT8
create function redshift.is_float(value redshift.super) returns boolean language plpgsql immutable strict as
    $$ begin return json_typeof(value.v) = 'number' and value.v::text ~ '[eE]'; end $$;
-- SUPER to VARCHAR: scalars, and null for what is none (cast_super_null_on_error = on, the default)
create function standin.super_to_varchar(value redshift.super) returns varchar language plpgsql immutable strict as $$
begin
    if json_typeof(value.v) = 'number' and value.v::text !~ '^-?[0-9]+$' then
        perform standin.unknown('a number with a fraction or an exponent, of a SUPER, to VARCHAR', 0);
    end if;
    return case when json_typeof(value.v) in ('string', 'number') then value.v #>> '{}' end;
end
$$;
create cast (redshift.super as varchar) with function standin.super_to_varchar(redshift.super);
-- what UNPIVOT iterates over
create function redshift.entries(value redshift.super) returns table (val redshift.super, attr varchar) language sql immutable as $$
    select row(pair.value)::redshift.super, pair.key::varchar
    from json_each(case when json_typeof((value).v) = 'object' then (value).v end) as pair
$$;
create function redshift.from_varbyte(value bytea, format text) returns varchar language plpgsql immutable strict as $$
begin
    return redshift.bounded(case when lower(format) = 'hex' then encode(value, 'hex')
        when lower(format) in ('utf8', 'utf-8') then convert_from(value, 'UTF8') else standin.unknown('FROM_VARBYTE: ' || format, 0)::text end);
end
$$;
create function redshift.getdate() returns timestamp language sql stable as $$ select date_trunc('second', now() at time zone 'UTC') $$;
-- start of the transaction
create function redshift.sysdate() returns timestamp language sql stable as $$ select now() at time zone 'UTC' $$;
-- the part is one of syntax.yml's; what another page leaves open is refused
-- (`seen` is what it depends on: of constants alone PostgreSQL would raise it while it plans)
create function standin.unknown(what text, seen bigint) returns bigint language plpgsql immutable as $$ begin raise exception using message = what; end $$;
create function redshift.dateadd(part text, amount bigint, start timestamp) returns timestamp language sql immutable strict as $$
    select start + amount * case part when 'quarter' then interval '3 months' else ('1 ' || part)::interval end
$$;
create function redshift.datediff(part text, start timestamp, finish timestamp) returns bigint language sql immutable strict as $$
    select case
        when part in ('second', 'millisecond', 'minute', 'hour') then (
            extract(epoch from date_trunc(part, finish)) - extract(epoch from date_trunc(part, start))
        )::numeric * case part when 'millisecond' then 1000 else 1 end
            / case part when 'minute' then 60 when 'hour' then 3600 else 1 end
        when part = 'day' then finish::date - start::date
        -- the page does not say on which day a week begins
        when part = 'week' then case
            when (date_trunc('week', finish)::date - date_trunc('week', start)::date)
                = (date_trunc('week', finish + interval '1 day')::date
                    - date_trunc('week', start + interval '1 day')::date)
            then (date_trunc('week', finish)::date - date_trunc('week', start)::date) / 7
            else standin.unknown('DATEDIFF of weeks that begin on Sunday or Monday: no page says which',
                finish::date - start::date)
        end
        when part in ('year', 'quarter', 'month') then floor((
            (extract(year from finish) - extract(year from start)) * 12
            + case part when 'month' then extract(month from finish) - extract(month from start)
                when 'quarter' then 3 * (extract(quarter from finish) - extract(quarter from start))
                else 0 end
        ) / case part when 'month' then 1 when 'quarter' then 3 else 12 end)
        else standin.unknown('DATEDIFF: ' || part, finish::date - start::date)
    end::bigint
$$;
create function redshift.date_trunc(part text, moment timestamp) returns timestamp language sql immutable strict as $$ select date_trunc(part, moment) $$;
create function redshift.date_part(part text, moment timestamp) returns integer
language sql immutable strict as $$ select floor(date_part(part, moment))::integer $$;
-- numbers: r_numeric_computations201, r_AVG
create function redshift.multiply(a bigint, b bigint) returns bigint language sql immutable as $$ select a * b $$;
create function redshift.multiply(a integer, b integer) returns integer language sql immutable as $$ select a * b $$;
create function redshift.multiply(a smallint, b smallint) returns smallint language sql immutable as $$ select a * b $$;
create function redshift.multiply(a float8, b float8) returns float8 language sql immutable as $$ select a * b $$;
create function redshift.multiply(a bigint, b interval) returns interval language sql immutable as $$ select a * b $$;
create function redshift.multiply(a numeric, b numeric) returns numeric language plpgsql immutable strict as $$
begin
    if abs(a * b) >= power(10::numeric, 38 - scale(a * b)) then
        raise exception using message = 'Numeric data overflow (result precision)';
    end if;
    return a * b;
end
$$;
create function redshift.divide(a bigint, b bigint) returns bigint language sql immutable as $$ select a / b $$;
create function redshift.divide(a integer, b integer) returns integer language sql immutable as $$ select a / b $$;
create function redshift.divide(a smallint, b smallint) returns smallint language sql immutable as $$ select a / b $$;
create function redshift.divide(a float8, b float8) returns float8 language sql immutable as $$ select a / b $$;
-- no page says whether digits are cut off or rounded, so both have to agree
create function standin.settled(exact numeric, kept integer, what text) returns numeric language plpgsql immutable strict as $$
begin
    if trunc(exact, kept) <> round(exact, kept) then
        perform standin.unknown(what || ': no page says whether its last digit is cut off or rounded', kept);
    end if;
    return round(exact, kept);
end
$$;
create function redshift.divide(a numeric, b numeric, kept integer) returns numeric language sql immutable as
    $$ select standin.settled(round(a, 60) / b, kept, 'quotient of decimals') $$;
-- of operands whose declared types nobody sees: at whatever scale Redshift picks (4 at least) it is the same
create function redshift.divide(a numeric, b numeric) returns numeric language plpgsql immutable strict as $$
begin
    if round(round(a, 60) / b, 4) * b <> a then
        perform standin.unknown('quotient of decimals whose scale follows from their types: cast both to DECIMAL(p, s)', 0);
    end if;
    return round(a / b, 4);
end
$$;
create function redshift.round(value numeric, places integer default 0) returns numeric language sql immutable as $$ select round(value, places) $$;
create function redshift.floor(value integer) returns integer language sql immutable as $$ select value $$;
create function redshift.floor(value bigint) returns bigint language sql immutable as $$ select value $$;
create function redshift.floor(value float8) returns float8 language sql immutable as $$ select floor(value) $$;
create function redshift.floor(value numeric) returns numeric language sql immutable as $$ select floor(value) $$;
create function redshift.trunc(value numeric, places integer default 0) returns numeric language sql immutable as $$ select trunc(value, places) $$;
-- texts: none is longer than 65,535 bytes
create function redshift.bounded(value text) returns varchar language plpgsql immutable strict as $$
begin
    if octet_length(value) > 65535 then
        raise exception using message = 'the result exceeds the maximum of 65535 bytes';
    end if;
    return value;
end
$$;
create function redshift.bounded(value bytea) returns bytea language sql immutable as $$ select value $$;
create function redshift.replace(value text, old text, new text) returns varchar language sql immutable as
    $$ select redshift.bounded(replace(value, old, new)) $$;
create function redshift.concat(a text, b text) returns varchar language sql immutable as $$ select redshift.bounded(a || b) $$;
create function redshift.left(value text, kept integer) returns varchar language sql immutable as
    $$ select left(value, case when kept < 0 then standin.unknown('LEFT of a negative length', kept)::integer else kept end) $$;
create function redshift.right(value text, kept integer) returns varchar language sql immutable as
    $$ select right(value, case when kept < 0 then standin.unknown('RIGHT of a negative length', kept)::integer else kept end) $$;
create function redshift.split_part(value text, by text, part integer) returns varchar language sql immutable as $$
    select split_part(value, by, case when part < 1
        then standin.unknown('SPLIT_PART: the part must be greater than 0', part)::integer else part end)
$$;
create function redshift.convert_timezone(source text, target text, moment timestamp) returns timestamp language sql immutable strict as
    $$ select (moment at time zone source) at time zone target $$;
create function redshift.convert_timezone(target text, moment timestamp) returns timestamp
language sql immutable strict as $$ select (moment at time zone 'UTC') at time zone target $$;
create function redshift.len(value text) returns int language sql immutable strict as $$ select length(value) $$;
create function redshift.sha2(value text, bits int) returns varchar language sql immutable strict as $$
    select encode(case bits when 224 then sha224(convert_to(value, 'UTF8')) when 384 then sha384(convert_to(value, 'UTF8'))
        when 512 then sha512(convert_to(value, 'UTF8')) when 256 then sha256(convert_to(value, 'UTF8'))
        when 0 then sha256(convert_to(value, 'UTF8')) else standin.unknown('SHA2: bits', bits)::text::bytea end, 'hex')::varchar
$$;
create function redshift.trunc(value timestamp) returns date language sql immutable strict as $$ select value::date $$;
-- 'e': the first group; 'p': Perl's expressions, in which backslashes mean the same to PostgreSQL
create function redshift.regexp_substr(
    value text, pattern text, start int default 1, occurrence int default 1, parameters text default 'c'
) returns varchar language sql immutable strict as $$
    select coalesce(regexp_substr(value, pattern, start, occurrence, translate(parameters, 'ep', ''),
        case when parameters like '%e%' then 1 else 0 end), '')::varchar
$$;
create function redshift.regexp_replace(
    value text, pattern text, replacement text, start int default 1, parameters text default 'c'
) returns varchar language sql immutable strict as $$
    select regexp_replace(value, pattern, replacement, start, 0, replace(parameters, 'p', ''))::varchar
$$;
create function redshift.regexp_count(value text, pattern text) returns int language sql immutable strict as $$ select regexp_count(value, pattern) $$;

-- VARCHAR(n) counts bytes; an explicit cast cuts off what is too long, at a whole character
create function redshift.fit(value text, bytes int) returns varchar language plpgsql immutable strict as $$
declare
    kept text := left(value, bytes);
begin
    while octet_length(kept) > bytes loop
        kept := left(kept, -greatest(1, (octet_length(kept) - bytes) / 4));
    end loop;
    return kept::varchar;
end
$$;

-- --------------------------------------------------------------------------- the stand-in's own books
create table standin.external_schemas (name text primary key, kind text not null, options text not null);
create table standin.external_tables (
    schema_name text, table_name text, location text not null, format text not null,
    columns text not null, partitions text not null, properties text not null,
    primary key (schema_name, table_name)
);
create table standin.external_partitions (
    schema_name text, table_name text, location text not null, partition_values text not null,
    primary key (schema_name, table_name, location)
);
create table standin.external_files (schema_name text, table_name text, path text, primary key (schema_name, table_name, path));
create table standin.streaming_views (
    schema_name text, table_name text, kafka_schema text not null, topic text not null,
    query text not null, auto_refresh boolean not null, primary key (schema_name, table_name)
);
create table standin.stream_positions (
    schema_name text, table_name text, kafka_partition bigint, next_offset bigint not null,
    primary key (schema_name, table_name, kafka_partition)
);
create table standin.table_attributes (relation oid primary key, attributes text not null);
create function standin.check_key(relation text, key text) returns void language plpgsql as $$
declare
    kind oid := (select atttypid from pg_attribute where attrelid = to_regclass(relation) and attname = key and not attisdropped);
begin
    if kind is null then
        raise exception using message = format('column "%s" specified as distkey/sortkey is not in the table', key);
    elsif kind = 'redshift.super'::regtype then
        raise exception using message = 'a SUPER column can''t be a distribution or sort key (limitations-super)';
    end if;
end
$$;
create function standin.check_width(relation text, width int) returns void language plpgsql as $$
begin
    if width <> (select count(*) from pg_attribute where attrelid = to_regclass(relation) and attnum > 0) then
        raise exception using message = format('cannot change the columns of a view by CREATE OR REPLACE: %s', relation);
    end if;
end
$$;
-- a late-binding view keeps its query as text; PostgreSQL has an empty view in its place, for its name,
-- owner and grants. Its columns are those that it had when it was made. Both are a comment, in a catalog as on
-- Redshift: transactions do not conflict by catalogs (c_serial_isolation), as by a table they would.
create view standin.late_binding_views as
    select r.ev_class as view, d.description::jsonb ->> 'query' as query, d.description::jsonb -> 'columns' as columns
    from pg_rewrite as r
    inner join pg_description as d on r.oid = d.objoid and d.classoid = 'pg_rewrite'::regclass;
create table standin.masking_policies (name text primary key, input text not null, expression text not null);
create table standin.attached_policies (
    relation oid, policy text, columns text, grantee text, priority int, primary key (policy, relation, columns, grantee)
);
create table standin.refreshes (schema_name text, table_name text, status text, refreshed_at timestamp default redshift.getdate());
create function redshift.pg_get_late_binding_view_cols() returns setof record language sql stable as $$
    select n.nspname, c.relname, (col.told ->> 'name')::name, (col.told ->> 'type')::varchar, col.place::int
    from standin.late_binding_views as v
    inner join pg_class as c on v.view = c.oid
    inner join pg_namespace as n on c.relnamespace = n.oid
    cross join lateral jsonb_array_elements(v.columns) with ordinality as col(told, place)
$$;
-- makes one: its columns, unless what it reads is not there (yet)
create function standin.create_late_binding_view(name text, replaces boolean, query text, translated text) returns void language plpgsql as $$
declare
    columns jsonb := '[]';
begin
    begin
        execute 'create temporary view _late_binding as ' || translated;
        select coalesce(
            jsonb_agg(
                jsonb_build_object('name', attname, 'type',
                    -- PostgreSQL forgets the precision of what is computed
                    replace(format_type(atttypid, atttypmod), 'numeric', 'numeric' || case when atttypmod < 0 then '(38,17)' else '' end)
                ) order by attnum
            ),
            '[]'
        )
        into columns
        from pg_attribute
        where attrelid = 'pg_temp._late_binding'::regclass and attnum > 0;
        drop view pg_temp._late_binding;
    exception when undefined_table or invalid_schema_name or undefined_column then
        null;
    end;
    execute 'create ' || case when replaces then 'or replace ' else '' end || 'view ' || name || ' as select';
    execute format('comment on rule "_RETURN" on %s is %L', name, jsonb_build_object('query', query, 'columns', columns));
end
$$;
-- information_schema.columns; PostgreSQL forgets the precision of what is computed, and DECIMAL alone has no fraction
create view redshift.information_columns as
    select table_catalog, table_schema, table_name, column_name, ordinal_position, column_default, is_nullable,
        data_type, character_maximum_length,
        case when data_type = 'numeric' then coalesce(numeric_precision, 38) else numeric_precision end as numeric_precision,
        case when data_type = 'numeric' then coalesce(numeric_scale, 17) else numeric_scale end as numeric_scale
    from information_schema.columns;
-- columns of all relations with their types as they were written
create view standin.columns as
    select n.nspname::text as schema_name, c.relname::text as table_name, a.attname::text as column_name,
        format_type(a.atttypid, a.atttypmod) as kind, a.atthasdef as has_default,
        a.attnotnull as not_null
    from pg_attribute as a
    inner join pg_class as c on a.attrelid = c.oid
    inner join pg_namespace as n on c.relnamespace = n.oid
    where a.attnum > 0 and not a.attisdropped
    union all
    select schema_name::text, view_name::text, column_name::text, data_type::text, false, false
    from redshift.pg_get_late_binding_view_cols()
        as cols(schema_name name, view_name name, column_name name, data_type varchar, place int);
-- rights of users and roles that the asking user has access to: of all for a superuser (r_SVV_RELATION_PRIVILEGES)
create function standin.rights(acl aclitem[]) returns table (
    privilege_type text, identity_id int, identity_name name, identity_type text, admin_option boolean
) language sql stable as $$
    select upper(a.privilege_type), r.oid::int, r.rolname, 'role', a.is_grantable
    from aclexplode(acl) as a inner join pg_roles as r on a.grantee = r.oid and pg_has_role(current_user, r.oid, 'usage')
$$;
-- what relations are that are no tables
create view standin.kinds as
    select schema_name, table_name, 'external' as kind from standin.external_tables
    union all
    select schema_name, table_name, 'materialized' from standin.streaming_views
    union all
    select schemaname::text, viewname::text, 'view' from pg_views;

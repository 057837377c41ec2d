-- what analyst sees of a varchar(1280)
create masking policy mask_varchar_1280
with (value varchar(1280))
using (cast('***' as varchar(1280)));

-- marts.dim_customer.email is personal
attach masking policy mask_varchar_1280 on marts.dim_customer (email) to role analyst;

-- what analyst sees of a varchar(400)
create masking policy mask_varchar_400
with (value varchar(400))
using (cast('***' as varchar(400)));

-- marts.dim_customer.first_name is personal
attach masking policy mask_varchar_400 on marts.dim_customer (first_name) to role analyst;

-- marts.dim_customer.last_name is personal
attach masking policy mask_varchar_400 on marts.dim_customer (last_name) to role analyst;

-- what analyst sees of a varchar(256)
create masking policy mask_varchar_256
with (value varchar(256))
using (cast('***' as varchar(256)));

-- marts.dim_customer.phone is personal
attach masking policy mask_varchar_256 on marts.dim_customer (phone) to role analyst;

-- what analyst sees of a date
create masking policy mask_date
with (value date)
using (cast(null as date));

-- marts.dim_customer.birth_date is personal
attach masking policy mask_date on marts.dim_customer (birth_date) to role analyst;

-- what analyst sees of a varchar(800)
create masking policy mask_varchar_800
with (value varchar(800))
using (cast('***' as varchar(800)));

-- marts.dim_customer.address_line_1 is personal
attach masking policy mask_varchar_800 on marts.dim_customer (address_line_1) to role analyst;

-- marts.dim_customer.address_line_2 is personal
attach masking policy mask_varchar_800 on marts.dim_customer (address_line_2) to role analyst;

-- what analyst sees of a varchar(80)
create masking policy mask_varchar_80
with (value varchar(80))
using (cast('***' as varchar(80)));

-- marts.dim_customer.postal_code is personal
attach masking policy mask_varchar_80 on marts.dim_customer (postal_code) to role analyst;

-- people read the marts
grant select on marts.dim_customer to role analyst;

-- engineer has built it, dbt's user builds it next; waits for whoever reads it
alter table marts."dim_customer" owner to "IAMR:retail-prod-dbt";

-- engineer has built it, dbt's user builds it next; waits for whoever reads it
alter table operations."ledger" owner to "IAMR:retail-prod-dbt";

-- engineer has built it, dbt's user builds it next; waits for whoever reads it
alter table staging."stores__log" owner to "IAMR:retail-prod-dbt";

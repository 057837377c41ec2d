-- marts.dim_customer.email is personal
attach masking policy mask_varchar_1280 on marts.dim_customer (email) to role analyst;

-- marts.dim_customer.first_name is personal
attach masking policy mask_varchar_400 on marts.dim_customer (first_name) to role analyst;

-- marts.dim_customer.last_name is personal
attach masking policy mask_varchar_400 on marts.dim_customer (last_name) to role analyst;

-- marts.dim_customer.phone is personal
attach masking policy mask_varchar_256 on marts.dim_customer (phone) to role analyst;

-- marts.dim_customer.birth_date is personal
attach masking policy mask_date on marts.dim_customer (birth_date) to role analyst;

-- marts.dim_customer.address_line_1 is personal
attach masking policy mask_varchar_800 on marts.dim_customer (address_line_1) to role analyst;

-- marts.dim_customer.address_line_2 is personal
attach masking policy mask_varchar_800 on marts.dim_customer (address_line_2) to role analyst;

-- marts.dim_customer.postal_code is personal
attach masking policy mask_varchar_80 on marts.dim_customer (postal_code) to role analyst;

-- Change capture on Azure SQL Database for the declared tables.
-- Written by `lakehouse connector cdc-sql`; do not edit: change the declarations, write it again.
--
-- Run it in the shop's database as a member of db_owner:
--     sqlcmd -b -v debezium_password=... -i infra/connectors/enable_cdc.sql
-- It can be run again: what exists stays. Azure SQL captures on vCore tiers and from S3 upwards.
-- A column added later needs a second capture instance: docs/runbooks/onboarding.md.

if (select is_cdc_enabled from sys.databases where name = db_name()) = 0
    exec sys.sp_cdc_enable_db;
go

-- Who reads the changes: a role of its own, and a user that may do nothing else.
if database_principal_id(N'cdc_reader') is null
    create role cdc_reader;
go
if database_principal_id(N'debezium') is null
    create user debezium with password = N'$(debezium_password)';
go
alter role cdc_reader add member debezium;
grant select on schema::cdc to cdc_reader;
grant view database state to debezium;
go

if exists (
    select 1 from information_schema.columns
    where table_schema = N'dbo' and table_name = N'Customers'
        and column_name = N'Phone'
        and character_maximum_length between 0 and 63
)
    throw 50000, N'dbo.Customers.Phone is shorter than the 64 characters of its hash; widen it first', 1;
go
if not exists (
    select 1 from cdc.change_tables
    where source_object_id = object_id(N'[dbo].[Customers]')
)
    exec sys.sp_cdc_enable_table
        @source_schema = N'dbo',
        @source_name = N'Customers',
        @capture_instance = N'dbo_Customers_1',
        @role_name = N'cdc_reader',
        @supports_net_changes = 0,
        @captured_column_list = N'[CustomerId], [Email], [FirstName], [LastName], [Phone], [BirthDate], [Tier], [MarketingConsent], [PreferredStoreId], [ErasedAt], [CreatedAt], [UpdatedAt]';
grant select on object::[dbo].[Customers] to cdc_reader;
go

if not exists (
    select 1 from cdc.change_tables
    where source_object_id = object_id(N'[dbo].[CustomerAddresses]')
)
    exec sys.sp_cdc_enable_table
        @source_schema = N'dbo',
        @source_name = N'CustomerAddresses',
        @capture_instance = N'dbo_CustomerAddresses_1',
        @role_name = N'cdc_reader',
        @supports_net_changes = 0,
        @captured_column_list = N'[CustomerId], [AddressNo], [IsDefault], [Line1], [Line2], [City], [Region], [PostalCode], [CountryCode], [UpdatedAt]';
grant select on object::[dbo].[CustomerAddresses] to cdc_reader;
go

if not exists (
    select 1 from cdc.change_tables
    where source_object_id = object_id(N'[dbo].[Products]')
)
    exec sys.sp_cdc_enable_table
        @source_schema = N'dbo',
        @source_name = N'Products',
        @capture_instance = N'dbo_Products_1',
        @role_name = N'cdc_reader',
        @supports_net_changes = 0,
        @captured_column_list = N'[ProductId], [SKU], [Name], [CategoryId], [Brand], [UnitPrice], [UnitCost], [CurrencyCode], [WeightKG], [IsDiscontinued], [Description], [UpdatedAt]';
grant select on object::[dbo].[Products] to cdc_reader;
go

if not exists (
    select 1 from cdc.change_tables
    where source_object_id = object_id(N'[dbo].[ProductCategories]')
)
    exec sys.sp_cdc_enable_table
        @source_schema = N'dbo',
        @source_name = N'ProductCategories',
        @capture_instance = N'dbo_ProductCategories_1',
        @role_name = N'cdc_reader',
        @supports_net_changes = 0,
        @captured_column_list = N'[CategoryId], [Name], [ParentCategoryId], [UpdatedAt]';
grant select on object::[dbo].[ProductCategories] to cdc_reader;
go

if not exists (
    select 1 from cdc.change_tables
    where source_object_id = object_id(N'[dbo].[Stores]')
)
    exec sys.sp_cdc_enable_table
        @source_schema = N'dbo',
        @source_name = N'Stores',
        @capture_instance = N'dbo_Stores_1',
        @role_name = N'cdc_reader',
        @supports_net_changes = 0,
        @captured_column_list = N'[StoreId], [Name], [City], [CountryCode], [TimeZone], [CurrencyCode], [OpenedOn], [ClosedOn], [UpdatedAt]';
grant select on object::[dbo].[Stores] to cdc_reader;
go

if not exists (
    select 1 from cdc.change_tables
    where source_object_id = object_id(N'[dbo].[Promotions]')
)
    exec sys.sp_cdc_enable_table
        @source_schema = N'dbo',
        @source_name = N'Promotions',
        @capture_instance = N'dbo_Promotions_1',
        @role_name = N'cdc_reader',
        @supports_net_changes = 0,
        @captured_column_list = N'[PromotionCode], [Name], [DiscountPercent], [StartsAt], [EndsAt], [UpdatedAt]';
grant select on object::[dbo].[Promotions] to cdc_reader;
go

if not exists (
    select 1 from cdc.change_tables
    where source_object_id = object_id(N'[dbo].[Orders]')
)
    exec sys.sp_cdc_enable_table
        @source_schema = N'dbo',
        @source_name = N'Orders',
        @capture_instance = N'dbo_Orders_1',
        @role_name = N'cdc_reader',
        @supports_net_changes = 0,
        @captured_column_list = N'[OrderId], [CustomerId], [StoreId], [Status], [CurrencyCode], [PromotionCode], [PlacedAt], [PaidAt], [ShippedAt], [DeliveredAt], [CancelledAt], [ReturnedAt], [UpdatedAt]';
grant select on object::[dbo].[Orders] to cdc_reader;
go

if not exists (
    select 1 from cdc.change_tables
    where source_object_id = object_id(N'[dbo].[OrderItems]')
)
    exec sys.sp_cdc_enable_table
        @source_schema = N'dbo',
        @source_name = N'OrderItems',
        @capture_instance = N'dbo_OrderItems_1',
        @role_name = N'cdc_reader',
        @supports_net_changes = 0,
        @captured_column_list = N'[OrderId], [LineNo], [ProductId], [Quantity], [UnitPrice], [DiscountAmount], [TaxAmount], [ReturnedQuantity], [ReturnedAt], [UpdatedAt]';
grant select on object::[dbo].[OrderItems] to cdc_reader;
go

if not exists (
    select 1 from cdc.change_tables
    where source_object_id = object_id(N'[dbo].[Payments]')
)
    exec sys.sp_cdc_enable_table
        @source_schema = N'dbo',
        @source_name = N'Payments',
        @capture_instance = N'dbo_Payments_1',
        @role_name = N'cdc_reader',
        @supports_net_changes = 0,
        @captured_column_list = N'[PaymentId], [OrderId], [Kind], [Method], [Amount], [CurrencyCode], [BookedAt], [UpdatedAt]';
grant select on object::[dbo].[Payments] to cdc_reader;
go

if not exists (
    select 1 from cdc.change_tables
    where source_object_id = object_id(N'[dbo].[InventoryMovements]')
)
    exec sys.sp_cdc_enable_table
        @source_schema = N'dbo',
        @source_name = N'InventoryMovements',
        @capture_instance = N'dbo_InventoryMovements_1',
        @role_name = N'cdc_reader',
        @supports_net_changes = 0,
        @captured_column_list = N'[MovementId], [StoreId], [ProductId], [Quantity], [Reason], [OrderId], [MovedAt]';
grant select on object::[dbo].[InventoryMovements] to cdc_reader;
go

-- Seven days instead of three: a connector that stands still over a long weekend loses nothing.
exec sys.sp_cdc_change_job @job_type = N'cleanup', @retention = 10080;
go

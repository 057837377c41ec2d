{#- Levels that a path shows. A longer chain, or a circle, is cut here; a test warns. -#}
{%- set levels = 6 %}

with

{{ last_changes(
    'categories', 'product_categories', 'changes.category_id'
) }},

pathed as (
    select
        level_1.category_id,
        level_1.name as category_name,
        coalesce(
            {%- for level in range(levels, 0, -1) %}
            level_{{ level }}.name{{ ',' if not loop.last }}
            {%- endfor %}
        ) as top_category_name,
        {%- for level in range(levels, 1, -1) %}
        coalesce(level_{{ level }}.name || ' > ', '')
        || {% endfor -%}
        level_1.name as category_path,
        level_{{ levels }}.parent_category_id is not null as is_path_cut
    from categories as level_1
    {%- for level in range(2, levels + 1) %}
    left join categories as level_{{ level }}
        on level_{{ level - 1 }}.parent_category_id = level_{{ level }}.category_id
    {%- endfor %}
),

final as (
    select
        pathed.category_id,
        pathed.category_name,
        pathed.top_category_name,
        pathed.category_path,
        pathed.is_path_cut,
        {{ cdc_history.row_hash([
            {'name': 'category_name', 'data_type': 'varchar'},
            {'name': 'top_category_name', 'data_type': 'varchar'},
            {'name': 'category_path', 'data_type': 'varchar'},
        ], relation='pathed') }} as _cdc_category_hash
    from pathed
)

select * from final

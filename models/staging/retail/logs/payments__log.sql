{#- Written by `lakehouse declarations generate` from _retail__sources.yml; do not edit.
    Redshift: distributed by the key, on which history joins the changes of a row. -#}
{{ config(dist='payment_id') }}
{{ change_log() }}

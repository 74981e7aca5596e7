/**
 * Makes the operators visible by which values of the types `$1` are sorted, for the transaction (`$2` true) or for the session.
 * An extension may stand in a schema that is not on `search_path`: where `citext` does, `>` would compare texts while ORDER BY
 * does not, and rows would be passed over. The schemas come last, so that no other name means anything else.
 */
export const keyOperatorsSql = `
  with recursive types(id) as (
    select pg_catalog.unnest($1::text[])::pg_catalog.regtype::oid
    union
    select t.typbasetype from types join pg_catalog.pg_type t on t.oid = types.id where t.typbasetype <> 0
  )
  select pg_catalog.set_config('search_path', pg_catalog.concat_ws(', ', nullif(pg_catalog.current_setting('search_path'), ''),
      pg_catalog.string_agg(distinct pg_catalog.quote_ident(n.nspname), ', ')), $2::bool)
  from types
  join pg_catalog.pg_opclass c on c.opcintype = types.id and c.opcdefault
  join pg_catalog.pg_am m on m.oid = c.opcmethod and m.amname = 'btree'
  join pg_catalog.pg_namespace n on n.oid = c.opcnamespace and n.nspname <> 'pg_catalog'
  having pg_catalog.count(*) > 0`;

// The words of DataFusion's SQL that people write over these tables. `time` is no keyword here: it is the column that all tables have.
import { SQLDialect } from '@codemirror/lang-sql';

export const dialect = SQLDialect.define({
  doubleDollarQuotedStrings: false,
  operatorChars: '+-*/<>=~!@#%^&|',
  keywords:
    'all and any array as asc between by case cast cross current_date current_timestamp desc describe distinct else end escape except exists explain ' +
    'extract false filter first following for from full group grouping having ilike in inner intersect interval into is join last lateral left like ' +
    'limit natural not null nulls offset on or order outer over partition preceding qualify range recursive right rollup row rows select sets show ' +
    'similar table tables then timestamp to true try_cast unbounded union unnest using values when where window with within',
  types: 'bigint boolean bytea char date decimal double float int integer numeric real smallint text varchar',
  builtin:
    'abs approx_distinct approx_percentile_cont array_agg array_length avg btrim ceil char_length coalesce concat contains count date_bin date_part ' +
    'date_trunc dense_rank first_value floor from_unixtime greatest lag last_value lead least left length lower lpad ltrim max md5 median min now ' +
    'nullif octet_length percentile_cont power rank regexp_like regexp_match regexp_replace repeat replace reverse right round row_number rpad rtrim ' +
    'split_part sqrt starts_with stddev string_agg strpos substr sum to_timestamp to_timestamp_millis trim upper var_pop',
});

// Text that goes into SQL: every value from the outside passes through one of these.

/** A text literal. Standard SQL: only the quote itself needs doubling. */
export function quote(value: string): string {
  return `'${value.replaceAll("'", "''")}'`;
}

/** A name that may need quotes: upper case, signs, reserved words. */
export function identifier(name: string): string {
  return /^[a-z_][a-z0-9_]*$/.test(name) && !RESERVED.has(name) ? name : `"${name.replaceAll('"', '""')}"`;
}

const RESERVED = new Set(
  'all and as between by case cross desc asc distinct else end exists false from full group having in inner is join left like limit not null offset on or order outer right select table then true union user values when where with'.split(
    ' ',
  ),
);

/** A pattern for ILIKE that finds `text` anywhere, its own % and _ taken as they are. */
export function contains(text: string): string {
  return quote(`%${text.replace(/[\\%_]/g, '\\$&')}%`);
}

/** A timestamp literal; null when the text is no RFC 3339 time in UTC. */
export function timestamp(time: string): string | null {
  return /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?Z$/.test(time) ? `TIMESTAMP '${time}'` : null;
}

// The facet bar's counts: one query for all, each facet counted as if its own chips were off, so that a second value can be added.
import type { Row } from '../../api/types';
import { LATENCY_ORDER, SUBJECTS, type Filter } from '../../state/filters';
import { rangeConditions, type Range } from '../../state/range';
import { quote } from '../../state/sql-text';
import { whereConditions } from './rows';

export const FACETS = ['protocol', 'status-class', 'failed', 'latency', 'service', 'process', 'role'];

/** Values listed for one facet. */
const VALUES_MAX = 12;

export function facetQuery(range: Range, filters: Filter[], text: string): string {
  return FACETS.map((name) => {
    const expression = (SUBJECTS[name] as { sql: string }).sql;
    const others = filters.filter((filter) => filter.name !== name || filter.exclude);
    const conditions = [...rangeConditions(range), ...whereConditions(others, text)];
    const where = conditions.length === 0 ? '' : ` WHERE ${conditions.join(' AND ')}`;
    return (
      `SELECT * FROM (SELECT ${quote(name)} AS facet, CAST(${expression} AS VARCHAR) AS value, count(*) AS requests FROM requests${where} ` +
      `GROUP BY ${expression} ORDER BY requests DESC LIMIT ${VALUES_MAX})`
    );
  }).join(' UNION ALL ');
}

export interface FacetValue {
  /** Empty for null. */
  value: string;
  requests: number;
}

/** The answer as facet → values, most requests first; latency from slow to fast. */
export function readFacets(rows: Row[], filters: Filter[]): Map<string, FacetValue[]> {
  const facets = new Map<string, FacetValue[]>(FACETS.map((name) => [name, []]));
  for (const row of rows) {
    const list = facets.get(String(row.facet));
    list?.push({ value: typeof row.value === 'string' ? row.value : '', requests: Number(row.requests ?? 0) });
  }
  // A chosen value stays in its place with 0, so that it can be taken back there.
  for (const filter of filters) {
    const list = facets.get(filter.name);
    if (list === undefined) continue;
    for (const value of filter.values) if (!list.some((held) => held.value === value)) list.push({ value, requests: 0 });
  }
  for (const [name, list] of facets) {
    if (name === 'latency') list.sort((a, b) => LATENCY_ORDER.indexOf(a.value) - LATENCY_ORDER.indexOf(b.value));
    else list.sort((a, b) => b.requests - a.requests || (a.value < b.value ? -1 : 1));
  }
  return facets;
}

/** The values as people read them. */
export function facetLabel(name: string, value: string): string {
  if (value === '') return 'unknown';
  if (name === 'failed') return value === 'true' ? 'failed' : 'not failed';
  return value;
}

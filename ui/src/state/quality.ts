// What the data-quality light says, and the queries behind it.
import type { Row } from '../api/types';
import { rangeConditions, type Range } from './range';
import { condition, type Filter } from './filters';

/** Groups of lost_events and hooks that one answer may hold. */
const GROUPS_MAX = 200;
const HOOKS_MAX = 500;

function hostConditions(filters: Filter[]): string[] {
  return filters
    .filter((filter) => filter.name === 'host')
    .map(condition)
    .filter((sql) => sql !== null);
}

function whereOf(conditions: string[]): string {
  return conditions.length === 0 ? '' : ` WHERE ${conditions.join(' AND ')}`;
}

export function lostQuery(range: Range, filters: Filter[]): string {
  const where = whereOf([...rangeConditions(range), ...hostConditions(filters)]);
  return (
    `SELECT stage, reason, unit, sum(events) AS events, sum(bytes) AS bytes, max(time) AS newest FROM lost_events${where} ` +
    `GROUP BY stage, reason, unit ORDER BY events DESC LIMIT ${GROUPS_MAX}`
  );
}

/** The newest row of each hook, whatever the time range: a hook attached yesterday still is. */
export function hooksQuery(filters: Filter[]): string {
  const where = whereOf(['nth = 1', ...hostConditions(filters)]);
  return (
    `SELECT host, hook, target, attached, state, reason, hits, run_time_ns, time FROM (SELECT *, row_number() OVER (PARTITION BY host, hook, target ` +
    `ORDER BY time DESC) AS nth FROM probe_status)${where} ORDER BY attached, hook, target LIMIT ${HOOKS_MAX}`
  );
}

/** Left out on purpose or by age: counted, but no loss. */
export function onPurpose(reason: unknown): boolean {
  return typeof reason === 'string' && /^(filter|sampl|evict|retention|expired|policy|self|own)/.test(reason);
}

/** A hook without which something is not seen that should be: neither off until somebody asks for it nor replaced by another. */
export function isMissing(hook: Row): boolean {
  return hook.attached !== true && hook.state !== 'off' && hook.state !== 'replaced';
}

export type Light = 'good' | 'warn' | 'bad' | 'off';

export interface Verdict {
  light: Light;
  title: string;
  reasons: string[];
}

const number = (value: unknown): number => (typeof value === 'number' || typeof value === 'bigint' ? Number(value) : 0);

export function verdict(lost: Row[], hooks: Row[]): Verdict {
  const losses = lost.filter((row) => !onPurpose(row.reason) && number(row.events) > 0);
  const missing = hooks.filter(isMissing);
  const reasons = [
    ...losses.map((row) => `${number(row.events)} ${plural(String(row.unit ?? 'event'), number(row.events))} lost in ${row.stage ?? 'an unknown stage'}: ${words(row.reason)}`),
    ...missing.map((row) => `${row.hook ?? 'hook'} ${row.target ?? ''} is not attached: ${row.reason ?? 'no reason given'}`),
  ];
  if (hooks.length > 0 && hooks.every((row) => row.attached !== true)) {
    return { light: 'bad', title: 'Nothing is captured', reasons };
  }
  if (losses.length > 0) return { light: 'warn', title: 'Some data was lost', reasons };
  if (missing.length > 0) return { light: 'warn', title: 'Part of the traffic is not seen', reasons };
  if (hooks.length === 0) {
    return { light: 'off', title: 'No probes here', reasons: ['This earshot serves stored rows or a replay: it captures nothing itself.'] };
  }
  const attached = hooks.filter((row) => row.attached === true).length;
  const off = hooks.filter((row) => row.state === 'off').length;
  const others = off === 0 ? '' : `, ${off} off until asked for`;
  return { light: 'good', title: 'Nothing lost', reasons: [`No loss was counted: ${attached} ${plural('hook', attached)} attached${others}.`] };
}

/** 'kernel_event' → 'kernel events'. */
export function plural(unit: string, events: number): string {
  return `${words(unit)}${events === 1 ? '' : 's'}`;
}

export function words(name: unknown): string {
  return typeof name === 'string' ? name.replaceAll('_', ' ') : 'unknown';
}

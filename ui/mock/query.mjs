// Answers the few shapes of SQL that the page itself writes, by reading their text. Not an SQL engine: anything else is refused
// as a real server refuses a wrong query.

const TIME_BACK = /^time > now\(\) - INTERVAL '(\d+) seconds'$/;

/** Splits at a word outside quotes and brackets. */
function split(text, word) {
  const parts = [];
  let depth = 0;
  let quoted = false;
  let from = 0;
  for (let at = 0; at < text.length; at += 1) {
    const sign = text[at];
    if (sign === "'") quoted = !quoted;
    if (quoted) continue;
    if (sign === '(') depth += 1;
    if (sign === ')') depth -= 1;
    if (depth === 0 && text.startsWith(word, at)) {
      parts.push(text.slice(from, at));
      from = at + word.length;
    }
  }
  return [...parts, text.slice(from)].map((part) => part.trim());
}

const unquote = (text) => (text.startsWith("'") ? text.slice(1, -1).replaceAll("''", "'") : text);

function statusClass(row) {
  if (row.status === null) return 'no answer';
  return row.protocol === 'http' ? `${row.status[0]}xx` : row.status;
}

function latencyClass(row) {
  const limits = [[1e6, 'below 1 ms'], [1e7, '1 to 10 ms'], [1e8, '10 to 100 ms'], [1e9, '100 ms to 1 s']];
  if (row.latency_ns === null) return 'unknown';
  return limits.find(([limit]) => row.latency_ns < limit)?.[1] ?? 'above 1 s';
}

/** A column, or one of the page's two CASE expressions. */
function valueOf(expression, row) {
  if (expression.includes('CASE WHEN status')) return statusClass(row);
  if (expression.includes('CASE WHEN latency_ns')) return latencyClass(row);
  if (!(expression in row)) throw new Error(`no column ${expression}`);
  return row[expression];
}

function holds(condition, row, now) {
  const bare = condition.startsWith('(') && split(condition.slice(1, -1), ' OR ').length >= 1 && condition.endsWith(')') ? condition.slice(1, -1) : null;
  if (bare !== null && / (OR|AND) /.test(bare) && !bare.startsWith('CASE')) {
    const any = split(bare, ' OR ');
    if (any.length > 1) return any.some((part) => holds(part, row, now));
    return split(bare, ' AND ').every((part) => holds(part, row, now));
  }
  if (condition === 'nth = 1') return true;
  if (condition === 'false') return false;
  const back = TIME_BACK.exec(condition);
  if (back !== null) return Date.parse(row.time) > now - Number(back[1]) * 1000;
  let match = /^time (>|>=|<|<=|=) TIMESTAMP '([^']+)'$/.exec(condition);
  if (match !== null) {
    const order = row.time < match[2] ? -1 : row.time > match[2] ? 1 : 0;
    return { '>': order > 0, '>=': order >= 0, '<': order < 0, '<=': order <= 0, '=': order === 0 }[match[1]];
  }
  match = /^(.+?) (NOT IN|IN) \((.*)\)$/s.exec(condition);
  if (match !== null) return (match[2] === 'IN') === split(match[3], ',').map(unquote).includes(String(valueOf(match[1], row)));
  match = /^(.+) IS (NOT )?NULL$/.exec(condition);
  if (match !== null) return (valueOf(match[1], row) === null) === (match[2] === undefined);
  match = /^(\w+) ILIKE '%(.*)%'$/s.exec(condition);
  if (match !== null) return String(valueOf(match[1], row) ?? '').toLowerCase().includes(match[2].replaceAll("''", "'").replace(/\\(.)/g, '$1').toLowerCase());
  match = /^(\w+) = (.+)$/.exec(condition);
  if (match !== null) return String(valueOf(match[1], row)) === unquote(match[2]);
  if (condition === 'failed') return row.failed === true;
  throw new Error(`the mock does not know the condition ${condition}`);
}

function matching(rows, where, now) {
  const conditions = where === undefined ? [] : split(where, ' AND ');
  return rows.filter((row) => conditions.every((condition) => holds(condition, row, now)));
}

function grouped(rows, keys, sums) {
  const groups = new Map();
  for (const row of rows) {
    const values = keys.map((key) => valueOf(key, row));
    const group = groups.get(JSON.stringify(values)) ?? { values, rows: [] };
    group.rows.push(row);
    groups.set(JSON.stringify(values), group);
  }
  return [...groups.values()].map((group) => sums(group.values, group.rows));
}

/** One `SELECT 'facet' AS facet, … GROUP BY …`, as the facet bar and the scope picker ask. */
function facet(text, tables, now) {
  const match = /^SELECT \* FROM \(SELECT '([\w-]+)' AS facet, CAST\((.+) AS VARCHAR\) AS value, count\(\*\) AS requests FROM requests(?: WHERE (.*))? GROUP BY .* LIMIT (\d+)\)$/s.exec(text);
  if (match === null) throw new Error('not a facet');
  const [, name, expression, where, limit] = match;
  const rows = matching(tables.requests, where, now);
  const found = grouped(rows, [expression], ([value], held) => ({ facet: name, value: value === null ? null : String(value), requests: held.length }));
  return found.sort((a, b) => b.requests - a.requests).slice(0, Number(limit));
}

export function answer(query, tables, now) {
  const text = query.trim().replace(/\s+/g, ' ').replace(/;$/, '');
  if (text.startsWith("SELECT * FROM (SELECT '")) return split(text, ' UNION ALL ').flatMap((part) => facet(part, tables, now));
  if (text.startsWith('SELECT stage, reason')) {
    const where = / WHERE (.*) GROUP BY/.exec(text)?.[1];
    return grouped(matching(tables.lost_events, where, now), ['stage', 'reason', 'unit'], ([stage, reason, unit], rows) => ({
      stage, reason, unit,
      events: rows.reduce((sum, row) => sum + row.events, 0),
      bytes: rows.reduce((sum, row) => (row.bytes === null ? sum : (sum ?? 0) + row.bytes), null),
      newest: rows.at(-1).time,
    }));
  }
  if (text.includes('FROM probe_status) WHERE nth = 1')) return tables.probe_status;
  const counted = /^SELECT count\(\*\) AS requests(, max\(time\) AS newest)? FROM requests(?: WHERE (.*))?$/.exec(text);
  if (counted !== null) {
    const rows = matching(tables.requests, counted[2], now);
    return [{ requests: rows.length, newest: rows.at(-1)?.time ?? null }];
  }
  if (text.startsWith('SELECT protocol, service, count(*)')) {
    return grouped(tables.requests, ['protocol', 'service'], ([protocol, service], rows) => {
      const latencies = rows.map((row) => row.latency_ns).filter((ns) => ns !== null).sort((a, b) => a - b);
      return { protocol, service, requests: rows.length, failed: rows.filter((row) => row.failed).length, p50_ns: latencies[Math.floor(latencies.length / 2)], p99_ns: latencies[Math.floor(latencies.length * 0.99)] };
    });
  }
  const simple = /^SELECT (.+?) FROM (\w+)(?: WHERE (.*?))?(?: ORDER BY (\w+)( DESC)?)?(?: LIMIT (\d+))?$/s.exec(text);
  if (simple === null) throw new Error('the mock answers only simple queries');
  const [, columns, table, where, order, descending, limit] = simple;
  if (tables[table] === undefined) throw Object.assign(new Error(`table '${table}' not found`), { at: query.indexOf(table) + 1 });
  const names = columns === '*' ? null : split(columns, ',').map((name) => name.replace(/^left\(target, \d+\) AS /, ''));
  const first = tables[table][0] ?? {};
  for (const name of names ?? []) if (!(name in first)) throw Object.assign(new Error(`No field named ${name}.`), { at: query.indexOf(name) + 1 });
  let rows = matching(tables[table], where, now);
  if (order !== undefined) rows = [...rows].sort((a, b) => (a[order] < b[order] ? -1 : a[order] > b[order] ? 1 : 0) * (descending === undefined ? 1 : -1));
  rows = rows.slice(0, limit === undefined ? undefined : Number(limit));
  return names === null ? rows : rows.map((row) => Object.fromEntries(names.map((name) => [name, row[name]])));
}

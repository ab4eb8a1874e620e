// A body or a long text: pretty when it is JSON, cut for the eye when long, its marks beside it.
import { useMemo, useState } from 'react';
import { parseJson } from '../api/ndjson';
import type { Value } from '../api/types';
import { bytes, count, toJson } from './format';

/** Characters shown before "show all". */
const SHOWN_CHARACTERS_MAX = 20_000;

export function prettyJson(text: string): string | null {
  if (!/^\s*[[{]/.test(text)) return null;
  try {
    return toJson(parseJson(text), 2);
  } catch {
    return null;
  }
}

interface Props {
  text: Value | undefined;
  size: Value | undefined;
  truncated: boolean;
  /** What an absent body means here. */
  absent: string;
}

export function Body({ text, size, truncated, absent }: Props) {
  const [raw, setRaw] = useState(false);
  const [whole, setWhole] = useState(false);
  const source = typeof text === 'string' ? text : text === null || text === undefined ? null : toJson(text);
  const pretty = useMemo(() => (source === null ? null : prettyJson(source)), [source]);
  if (source === null) return <p className="quiet">{absent}</p>;
  const full = pretty !== null && !raw ? pretty : source;
  const shown = whole ? full : full.slice(0, SHOWN_CHARACTERS_MAX);
  return (
    <div className="body">
      <div className="body-bar">
        {typeof size === 'number' && <span title={`${count(size)} bytes on the wire, before decoding`}>{bytes(size)}</span>}
        {pretty !== null && (
          <button type="button" className="link" onClick={() => setRaw(!raw)}>
            {raw ? 'Pretty' : 'As sent'}
          </button>
        )}
        {truncated && (
          <span className="mark" title="Not all of this message's text was kept: a limit was reached, or bytes were not seen.">
            cut
          </span>
        )}
      </div>
      <pre>{pretty !== null && !raw ? <Json text={shown} /> : shown}</pre>
      {shown.length < full.length && (
        <button type="button" className="button" onClick={() => setWhole(true)}>
          Show all {count(full.length)} characters
        </button>
      )}
    </div>
  );
}

const TOKEN = /("(?:[^"\\]|\\.)*")(\s*:)?|(-?\d[\d.eE+-]*|true|false|null)/g;

/** JSON text with names, texts and numbers told apart. */
export function Json({ text }: { text: string }) {
  const parts = [];
  let at = 0;
  for (const match of text.matchAll(TOKEN)) {
    if (match.index > at) parts.push(text.slice(at, match.index));
    const kind = match[2] !== undefined ? 'json-name' : match[1] !== undefined ? 'json-text' : 'json-number';
    parts.push(
      <span key={match.index} className={kind}>
        {match[1] ?? match[0]}
      </span>,
    );
    if (match[2] !== undefined) parts.push(match[2]);
    at = match.index + match[0].length;
  }
  parts.push(text.slice(at));
  return <>{parts}</>;
}

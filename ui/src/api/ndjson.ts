// In: the bytes of an NDJSON answer, cut anywhere. Out: rows, batch by batch.
// A last line `{"error": {…}}` is thrown as a Problem; rows before it have been handed out already.
import { Problem, type Row, type Value } from './types';

// Sixteen digits in a row may be an integer that a double cannot hold.
const LONG_INTEGER = /[:[,]\s*-?\d{16,}\s*[,}\]]/;

/** The third argument of a JSON.parse reviver, in browsers that have it. */
interface Source {
  source?: string;
}

function exact(_key: string, value: unknown, context?: Source): unknown {
  if (typeof value !== 'number' || Number.isSafeInteger(value) || context?.source === undefined) return value;
  return /^-?\d+$/.test(context.source) ? BigInt(context.source) : value;
}

export function parseJson(text: string): Value {
  if (!LONG_INTEGER.test(text)) return JSON.parse(text) as Value;
  return JSON.parse(text, exact as (key: string, value: unknown) => unknown) as Value;
}

function asError(row: Row): Problem | null {
  const error = row.error;
  if (Object.keys(row).length !== 1 || typeof error !== 'object' || error === null || Array.isArray(error)) return null;
  return typeof error.title === 'string' ? Problem.from(error, 500) : null;
}

export class NdjsonParser {
  private decoder = new TextDecoder();
  private rest = '';
  // An error line counts only when nothing follows: held until the next line or the end.
  private suspect: Row | null = null;

  push(bytes: Uint8Array): Row[] {
    return this.lines(this.decoder.decode(bytes, { stream: true }));
  }

  /** Call once at the end of the stream; throws the Problem that ended it, if one did. */
  end(): Row[] {
    const rows = this.lines(this.decoder.decode() + '\n');
    if (this.suspect !== null) {
      const problem = asError(this.suspect);
      if (problem !== null) throw problem;
    }
    return rows;
  }

  private lines(text: string): Row[] {
    const rows: Row[] = [];
    const lines = (this.rest + text).split('\n');
    this.rest = lines.pop() ?? '';
    for (const line of lines) {
      if (line.trim() === '') continue;
      if (this.suspect !== null) rows.push(this.suspect);
      this.suspect = null;
      const row = parseJson(line) as Row;
      if (asError(row) === null) rows.push(row);
      else this.suspect = row;
    }
    return rows;
  }
}

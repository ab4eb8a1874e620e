// What the API says, as TypeScript sees it.

/** One value of a row. Integers beyond 2^53 arrive as bigint so that none is rounded. */
export type Value = null | boolean | number | bigint | string | Value[] | { [key: string]: Value };

/** One row: column name → value. A column that is absent is null. */
export type Row = Record<string, Value>;

export interface Column {
  name: string;
  type: string;
  unit: string | null;
  meaning: string;
}

export interface Table {
  name: string;
  about: string;
  columns: Column[];
}

/** An error as `application/problem+json` says it; status 0 is "no answer at all". */
export class Problem extends Error {
  readonly title: string;
  readonly status: number;
  readonly detail: string | null;
  readonly hint: string | null;
  /** 1-based character of the query. */
  readonly position: number | null;

  constructor(title: string, status: number, detail: string | null = null, hint: string | null = null, position: number | null = null) {
    super(detail ?? title);
    this.name = 'Problem';
    this.title = title;
    this.status = status;
    this.detail = detail;
    this.hint = hint;
    this.position = position;
  }

  static from(value: unknown, status: number): Problem {
    const fields: Record<string, unknown> = typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
    const text = (name: string) => (typeof fields[name] === 'string' && fields[name] !== '' ? (fields[name] as string) : null);
    const number = (name: string) => (typeof fields[name] === 'number' ? (fields[name] as number) : null);
    return new Problem(
      text('title') ?? `the server answered ${status}`,
      number('status') ?? status,
      text('detail'),
      text('hint'),
      number('position'),
    );
  }
}

/** The request was given up by this page (Esc, another view), not by the server. */
export function isAbort(error: unknown): boolean {
  return error instanceof DOMException && error.name === 'AbortError';
}

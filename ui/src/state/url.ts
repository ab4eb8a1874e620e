// The whole state of the page as a URL, and back. Back, forward, reload and a pasted link give the same view.
import { SUBJECTS, type Filter } from './filters';
import { readRange, writeRange, type Range } from './range';

export type Page = 'requests' | 'sql' | 'quality';

export interface View {
  page: Page;
  range: Range;
  filters: Filter[];
  /** Free text that the requests must contain. */
  text: string;
  /** The request in the drawer, as `rowKey` writes it. */
  open: string | null;
  tab: string | null;
  /** The query of the SQL page. */
  query: string | null;
}

const PAGES: Page[] = ['requests', 'sql', 'quality'];
/** Longest text of one part of a URL that is taken. */
const PART_CHARACTERS_MAX = 100_000;

export function readUrl(path: string, search: string): View {
  const name = path.replace(/^\/+|\/+$/g, '');
  const page = PAGES.find((known) => known === name) ?? 'requests';
  const parameters = new URLSearchParams(search);
  const filters: Filter[] = [];
  for (const [key, value] of parameters) {
    const exclude = key.startsWith('-');
    const subject = exclude ? key.slice(1) : key;
    if (!Object.hasOwn(SUBJECTS, subject) || value.length > PART_CHARACTERS_MAX) continue;
    const chip = filters.find((filter) => filter.name === subject && filter.exclude === exclude);
    if (chip === undefined) filters.push({ name: subject, exclude, values: [value] });
    else if (!chip.values.includes(value)) chip.values.push(value);
  }
  return {
    page,
    range: readRange(parameters.get('range')),
    filters,
    text: parameters.get('q') ?? '',
    open: parameters.get('open'),
    tab: parameters.get('tab'),
    query: parameters.get('query'),
  };
}

export function writeUrl(view: View): string {
  const parameters = new URLSearchParams();
  if (view.range.kind !== 'live') parameters.set('range', writeRange(view.range));
  for (const filter of view.filters) for (const value of filter.values) parameters.append((filter.exclude ? '-' : '') + filter.name, value);
  if (view.page === 'requests') {
    if (view.text !== '') parameters.set('q', view.text);
    if (view.open !== null) parameters.set('open', view.open);
    if (view.open !== null && view.tab !== null) parameters.set('tab', view.tab);
  }
  if (view.page === 'sql' && view.query !== null) parameters.set('query', view.query);
  // Colons and slashes are legal in a query and make the link readable.
  const search = parameters.toString().replaceAll('%3A', ':').replaceAll('%2F', '/');
  return `/${view.page}${search === '' ? '' : `?${search}`}`;
}

import { describe, expect, it } from 'vitest';
import { readUrl, writeUrl, type View } from './url';

const START: View = { page: 'requests', range: { kind: 'live' }, filters: [], text: '', open: null, tab: null, query: null };

const back = (view: View): View => {
  const url = writeUrl(view);
  const cut = url.indexOf('?');
  return cut < 0 ? readUrl(url, '') : readUrl(url.slice(0, cut), url.slice(cut));
};

describe('the URL holds the view', () => {
  const views: [string, View][] = [
    ['start', START],
    ['ranges', { ...START, range: { kind: 'last', minutes: 15 } }],
    ['hours', { ...START, range: { kind: 'last', minutes: 60 } }],
    ['all', { ...START, page: 'quality', range: { kind: 'all' } }],
    ['custom', { ...START, range: { kind: 'custom', from: '2024-05-06T07:00:00Z', to: '2024-05-06T08:00:00.5Z' } }],
    [
      'filters',
      {
        ...START,
        filters: [
          { name: 'protocol', exclude: false, values: ['http', 'dns'] },
          { name: 'status-class', exclude: true, values: ['2xx', ''] },
          { name: 'target', exclude: false, values: ["/a?b=c&d=é'%20+#", ' '] },
        ],
        text: 'a=b & c',
      },
    ],
    ['drawer', { ...START, open: 'http~12~2024-05-06T07:00:00.000000001Z~1x9z~2', tab: 'response' }],
    ['query', { ...START, page: 'sql', query: "SELECT '%', \"x\" -- & ?\nFROM t; +" }],
  ];
  it.each(views)('%s comes back as it was', (_name, view) => expect(back(view)).toEqual(view));
});

describe('a URL from elsewhere', () => {
  it('falls back to requests, live', () => {
    expect(readUrl('/', '')).toEqual(START);
    expect(readUrl('/no/such/page', '?range=9999999m&nope=1&-nope=2')).toEqual(START);
    expect(readUrl('/sql/', '').page).toBe('sql');
  });
  it('takes no range that is none', () => {
    for (const range of ['0m', '-5m', '5', 'x..y', '2024-05-06T07:00:00Z..', "2024-05-06T07:00:00Z..' OR 1", '2024-05-06T07:00:00+02:00..2024-05-06T08:00:00Z']) {
      expect(readUrl('/requests', `?range=${encodeURIComponent(range)}`).range).toEqual({ kind: 'live' });
    }
  });
  it('is not led astray by names that every object has', () => {
    expect(readUrl('/requests', '?constructor=1&__proto__=2&-toString=3').filters).toEqual([]);
  });
  it('is readable', () => {
    expect(writeUrl({ ...START, filters: [{ name: 'target', exclude: false, values: ['/api/cart'] }] })).toBe('/requests?target=/api/cart');
  });
  it('leaves out what belongs to another page', () => {
    expect(writeUrl({ ...START, page: 'sql', open: 'x', text: 'y' })).toBe('/sql');
  });
});

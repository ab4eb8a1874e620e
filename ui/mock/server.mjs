// A stand-in for earshot with made-up traffic, for work on the page and for its browser test: `npm run mock`, then open the printed
// URL. Serves ui/dist under the policy that the real server sends, so that a breach of it shows here.
import { createServer } from 'node:http';
import { readFile } from 'node:fs/promises';
import { dirname, extname, join, normalize, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { catalogue } from './catalogue.mjs';
import { answer } from './query.mjs';
import { Rows } from './rows.mjs';

const dist = resolve(dirname(fileURLToPath(import.meta.url)), '../dist');
const port = Number(process.env.PORT ?? 7119);
const TYPES = { '.html': 'text/html; charset=utf-8', '.js': 'text/javascript', '.css': 'text/css', '.svg': 'image/svg+xml', '.json': 'application/json' };
const POLICY =
  "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
/** Rows written at once, so that a long answer arrives in pieces as a real one does. */
const PIECE_ROWS = 200;

const rows = new Rows(Date.now());

async function body(request) {
  const pieces = [];
  for await (const piece of request) pieces.push(piece);
  return JSON.parse(Buffer.concat(pieces).toString('utf8'));
}

function refuse(response, status, title, detail, hint, at, query) {
  const before = query?.slice(0, at - 1).split('\n') ?? [''];
  const place = at === undefined ? {} : { position: at, line: before.length, column: before.at(-1).length + 1 };
  response.writeHead(status, { 'Content-Type': 'application/problem+json' });
  response.end(JSON.stringify({ title, status, detail, hint, ...place }));
}

async function sql(request, response) {
  const { query } = await body(request);
  rows.advance(Date.now());
  let found;
  try {
    found = answer(query, rows.tables, Date.now());
  } catch (error) {
    refuse(response, 400, 'the query is wrong', error.message, 'GET /api/v1/tables lists what can be asked about', error.at > 0 ? error.at : undefined, query);
    return;
  }
  response.writeHead(200, { 'Content-Type': 'application/x-ndjson' });
  for (let from = 0; from < found.length; from += PIECE_ROWS) response.write(found.slice(from, from + PIECE_ROWS).map((row) => `${JSON.stringify(row)}\n`).join(''));
  response.end();
}

async function file(path, response) {
  const wanted = normalize(join(dist, path));
  const held = wanted.startsWith(dist) && extname(wanted) !== '' ? await readFile(wanted).catch(() => null) : null;
  const bytes = held ?? (await readFile(join(dist, 'index.html')));
  response.writeHead(200, { 'Content-Type': held === null ? TYPES['.html'] : (TYPES[extname(wanted)] ?? 'application/octet-stream'), 'Content-Security-Policy': POLICY, 'X-Content-Type-Options': 'nosniff' });
  response.end(bytes);
}

function stream(url, request, response) {
  const table = /FROM (\w+)/i.exec(url.searchParams.get('query') ?? '')?.[1];
  const held = rows.tables[table];
  if (held === undefined) {
    refuse(response, 400, 'the query is wrong', `table '${table}' not found`, null);
    return;
  }
  response.writeHead(200, { 'Content-Type': 'text/event-stream' });
  let sent = held.length;
  const timer = setInterval(() => {
    rows.advance(Date.now());
    for (const row of rows.tables[table].slice(sent)) response.write(`data: ${JSON.stringify(row)}\n\n`);
    sent = rows.tables[table].length;
  }, 500);
  request.on('close', () => clearInterval(timer));
}

const server = createServer((request, response) => {
  const url = new URL(request.url, 'http://localhost');
  const answerer = async () => {
    if (url.pathname === '/api/v1/sql' && request.method === 'POST') return sql(request, response);
    if (url.pathname === '/api/v1/stream') return stream(url, request, response);
    if (url.pathname === '/api/v1/tables') {
      response.writeHead(200, { 'Content-Type': 'application/json' });
      return response.end(JSON.stringify(catalogue));
    }
    if (url.pathname.startsWith('/api/')) return refuse(response, 404, 'no such path', url.pathname, null);
    return file(decodeURIComponent(url.pathname), response);
  };
  answerer().catch((error) => {
    console.error(error);
    if (!response.headersSent) refuse(response, 500, 'the mock failed', String(error), null);
    else response.end();
  });
});
server.listen(port, '127.0.0.1', () => console.log(`mock ready: http://127.0.0.1:${server.address().port}`));

// Walks the page in a real browser: `node tests/browser.mjs URL FOLDER [--live]`. URL is the mock or an earshot that has seen HTTP
// requests; FOLDER gets the screenshots; --live says that requests are flowing while the test runs, as they do in the mock. Fails on the first thing that is not as it must be, and on any error in the console.
import assert from 'node:assert/strict';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { chromium } from 'playwright-core';

const flowing = process.argv.includes('--live');
const [url, folder] = process.argv.slice(2).filter((argument) => argument !== '--live');
if (url === undefined || folder === undefined) {
  console.error('usage: node tests/browser.mjs URL FOLDER [--live]');
  process.exit(2);
}
const base = url.replace(/\/$/, '');
mkdirSync(folder, { recursive: true });

const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
  headless: true,
  args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync'],
});

const complaints = [];
async function open(colorScheme) {
  const context = await browser.newContext({ viewport: { width: 1440, height: 860 }, colorScheme, reducedMotion: 'reduce' });
  const page = await context.newPage();
  page.on('console', (message) => {
    // A query that is wrong on purpose is answered with 400, which the browser reports as a failed load.
    if (message.type() === 'error' && !/status of 400/.test(message.text())) complaints.push(`${page.url()}: ${message.text()}`);
  });
  page.on('pageerror', (error) => complaints.push(`${page.url()}: ${error.stack}`));
  page.setDefaultTimeout(15_000);
  return page;
}

const shot = (page, name) => page.screenshot({ path: join(folder, `${name}.png`) });
const rowCount = async (page) => Number(await page.locator('.requests .list').getAttribute('aria-rowcount'));

async function requests(page, theme) {
  await page.goto(`${base}/requests?range=all`);
  await page.waitForSelector('.list-row');
  const all = await rowCount(page);
  assert.ok(all > 0, 'the list has rows');
  const times = await page.locator('.list-row time').allTextContents();
  assert.ok(times.length > 0 && times.every((time) => /\d\d:\d\d:\d\d\.\d{3}$/.test(time)), 'each row has its local time');
  assert.match((await page.locator('.list-row time').first().getAttribute('title')) ?? '', /\.\d{9} UTC$/);
  await page.waitForSelector('.facets .facet');
  await shot(page, `requests-${theme}`);

  // A facet narrows, its chip widens again; alt-click excludes.
  await page.locator('.facets .facet', { hasText: 'http' }).first().click();
  await page.waitForURL(/protocol=http/);
  await page.waitForSelector('.chip');
  await page.waitForFunction(() => ![...document.querySelectorAll('.list-row .protocol')].some((cell) => !cell.textContent.startsWith('http')));
  await page.locator('.chip button').click();
  await page.waitForURL((to) => !to.search.includes('protocol'));
  await page.locator('.facets .facet', { hasText: 'http' }).first().click({ modifiers: ['Alt'] });
  await page.waitForURL(/-protocol=http/);
  await page.waitForSelector('.chip.exclude');
  await page.goBack();
  await page.waitForFunction(() => document.querySelector('.chip') === null);

  // Free text, with signs that mean something in SQL.
  await page.keyboard.press('/');
  assert.ok(await page.locator('.search').evaluate((input) => input === document.activeElement), '/ goes to the filter');
  await page.locator('.search').fill("no'such%target_");
  await page.waitForSelector('.note.empty');
  await page.locator('.search').fill('protocol:http');
  await page.keyboard.press('Enter');
  await page.waitForSelector('.chip');
  await page.waitForSelector('.list-row');
}

async function drawer(page, theme) {
  await page.locator('.search').blur();
  await page.keyboard.press('j');
  await page.keyboard.press('j');
  await page.waitForSelector('.list-row.cursor');
  await page.keyboard.press('Enter');
  await page.waitForSelector('.drawer .start-line');
  const target = await page.locator('.list-row.open [role=gridcell]').nth(3).innerText();
  assert.ok((await page.locator('.drawer').innerText()).includes(target.split('\n')[0].slice(0, 60)), 'the drawer shows the row that was opened');
  assert.ok((await page.locator('.drawer .headers tr').count()) > 0, 'request headers are listed');
  await page.waitForURL(/open=/);
  await shot(page, `drawer-request-${theme}`);
  for (const tab of ['Response', 'Timing', 'Connection', 'Trace']) {
    await page.getByRole('tab', { name: tab }).click();
    await page.waitForURL(new RegExp(`tab=${tab.toLowerCase()}`));
    assert.ok((await page.locator('.drawer-body').innerText()).length > 20, `${tab} says something`);
    await page.waitForFunction(() => !document.querySelector('.drawer-body')?.textContent?.includes('Loading'));
    await shot(page, `drawer-${tab.toLowerCase()}-${theme}`);
  }
  // The link alone gives the same drawer.
  const title = await page.locator('.drawer-title').innerText();
  await page.reload();
  await page.waitForSelector('.drawer-title');
  assert.equal(await page.locator('.drawer-title').innerText(), title);
  await page.keyboard.press('Escape');
  await page.waitForFunction(() => document.querySelector('.drawer') === null);
}

async function live(page) {
  await page.goto(`${base}/requests`);
  await page.waitForSelector('.list-row, .note.empty');
  if ((await page.locator('.list-row').count()) === 0) return;
  assert.match(await page.locator('.live-state').innerText(), /live/);
  await page.locator('.list-row').nth(3).hover();
  await page.waitForFunction(() => document.querySelector('.live-state')?.textContent?.includes('paused'));
  if (!flowing) return;
  // Nothing moves under the pointer; what is new is counted and comes on request, and by itself when the pointer is gone.
  const newest = () => page.locator('.list-row time').first().getAttribute('title');
  const before = await newest();
  await page.waitForSelector('.pill');
  assert.equal(await newest(), before);
  assert.match(await page.locator('.pill').innerText(), /\d+ new/);
  // A hand takes a while to get from the list to the button.
  const pill = await page.locator('.pill').boundingBox();
  await page.mouse.move(pill.x + pill.width / 2, pill.y + pill.height + 6);
  await page.waitForTimeout(200);
  await page.locator('.pill').hover();
  await page.waitForTimeout(1500);
  assert.equal(await newest(), before, 'the list waits for the button to be pressed');
  await page.locator('.pill').click();
  await page.waitForFunction((old) => document.querySelector('.list-row time')?.title > old, before);
  const seen = await newest();
  await page.mouse.move(5, 400);
  await page.waitForFunction((old) => document.querySelector('.list-row time')?.title > old, seen);
}

async function sql(page, theme) {
  await page.getByRole('link', { name: 'SQL' }).click();
  await page.waitForSelector('.cm-content');
  await page.getByRole('button', { name: 'Columns of requests' }).click();
  await page.waitForSelector('.catalogue .catalogue-column');
  const type = async (query) => {
    await page.locator('.cm-content').click();
    await page.keyboard.press('Control+A');
    await page.keyboard.insertText(query);
  };
  await type('SELECT time, protocol, operation, target, status, latency_ns, response_bytes FROM requests ORDER BY time DESC LIMIT 40');
  await page.keyboard.press('Control+Enter');
  await page.waitForFunction(() => document.querySelector('.results [role=status]')?.textContent?.includes('rows'));
  const heads = await page.locator('.results [role=columnheader]').allInnerTexts();
  assert.deepEqual(heads.map((head) => head.trim()), ['#', 'time', 'protocol', 'operation', 'target', 'status', 'latency_ns', 'response_bytes']);
  assert.ok((await page.locator('.results .list-row').count()) > 0, 'rows are shown');
  assert.match(await page.locator('.results .list-row').first().innerText(), /(ns|µs|ms|s|–)/);
  await page.waitForURL(/query=SELECT/);
  await page.locator('.results .list-row [role=gridcell]').nth(3).click();
  await page.waitForSelector('.cell-value pre');
  const [file] = await Promise.all([page.waitForEvent('download'), page.getByRole('button', { name: 'Download CSV' }).click()]);
  const { readFileSync } = await import('node:fs');
  assert.match(readFileSync(await file.path(), 'utf8'), /^time,protocol,operation,target,status,latency_ns,response_bytes\r\n\d{4}-/);
  await shot(page, `sql-${theme}`);

  // Completion knows the tables.
  await type('SELECT * FROM ');
  await page.keyboard.type('http_e');
  await page.waitForSelector('.cm-tooltip-autocomplete');
  assert.match(await page.locator('.cm-tooltip-autocomplete').innerText(), /http_events/);
  await shot(page, `sql-completion-${theme}`);
  await page.keyboard.press('Escape');

  // A wrong query: told in words, marked at its place.
  await type('SELECT time,\n  no_such_column\nFROM requests');
  await page.keyboard.press('Control+Enter');
  await page.waitForSelector('.results .problem');
  assert.match(await page.locator('.results .problem').innerText(), /no_such_column/);
  await page.waitForSelector('.cm-lintRange-error');
  await shot(page, `sql-error-${theme}`);

  // Esc cancels a query that takes its time.
  await page.route('**/api/v1/sql', async (route) => {
    if (!/a_slow_one/.test(route.request().postData() ?? '')) await route.continue();
  });
  await type('SELECT 1 AS a_slow_one');
  await page.keyboard.press('Control+Enter');
  await page.getByRole('button', { name: /^Cancel/ }).waitFor();
  await page.keyboard.press('Escape');
  await page.waitForFunction(() => document.querySelector('.results [role=status]')?.textContent?.includes('Cancelled'));
  await page.unroute('**/api/v1/sql');

  // Integers that a double cannot hold stay exact; an error after rows leaves the rows.
  const broken = '{"n":9007199254740993}\n{"error":{"title":"memory limit reached","status":422,"detail":"over 100 MiB","hint":"add LIMIT"}}\n';
  await page.route('**/api/v1/sql', async (route) => {
    if (!/a_broken_one/.test(route.request().postData() ?? '')) await route.continue();
    else await route.fulfill({ status: 200, contentType: 'application/x-ndjson', body: broken });
  });
  await type('SELECT 1 AS a_broken_one');
  await page.keyboard.press('Control+Enter');
  await page.waitForSelector('.results .problem');
  assert.match(await page.locator('.results .problem').innerText(), /memory limit reached[\s\S]*add LIMIT/);
  assert.equal((await page.locator('.results [role=gridcell]').first().innerText()).replace(/\D/g, ''), '9007199254740993');
  assert.match(await page.locator('.results [role=status]').innerText(), /1 row.* before the error/);
  await page.unroute('**/api/v1/sql');

  // Example, history, and the catalogue's "rows".
  await page.getByRole('button', { name: 'Queries to start with' }).click();
  await page.locator('.query-choice button').first().click();
  assert.match(await page.locator('.cm-content').innerText(), /GROUP BY/);
  await page.getByRole('button', { name: 'Your last queries' }).click();
  assert.match(await page.locator('.query-choice').innerText(), /no_such_column/);
  await page.keyboard.press('Escape');
  await page.locator('.catalogue-table', { hasText: 'http_events' }).hover();
  await page.locator('.catalogue-table', { hasText: 'http_events' }).getByText('rows').click();
  await page.waitForFunction(() => [...document.querySelectorAll('.results [role=columnheader]')].some((head) => head.textContent?.includes('req_path')));
  await shot(page, `sql-table-${theme}`);
}

async function quality(page, theme) {
  await page.getByRole('link', { name: 'Data quality' }).click();
  await page.waitForSelector('.quality .summary');
  assert.match(await page.locator('.quality').innerText(), /Hooks in the kernel/);
  // what is off until somebody asks for it is told in its row, and is no reason to warn
  const asked = page.locator('.quality tr', { hasText: 'page-faults' });
  assert.match(await asked.innerText(), /off until asked for/);
  await shot(page, `quality-${theme}`);
  await page.goto(`${base}/requests?range=15m`);
  await page.locator('.top').getByRole('button', { name: /Data quality:/ }).click();
  await page.waitForSelector('.light-panel');
  assert.doesNotMatch(await page.locator('.light-panel').innerText(), /page-faults/);
  await shot(page, `light-${theme}`);
  await page.keyboard.press('Escape');
}

async function themes(page) {
  const ground = () => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
  const before = await ground();
  await page.getByRole('button', { name: /^Theme:/ }).click();
  await page.getByRole('button', { name: /^Theme:/ }).click();
  const dark = await ground();
  await page.getByRole('button', { name: /^Theme:/ }).click();
  assert.equal(await ground(), before);
  assert.notEqual(dark, 'rgb(255, 255, 255)');
}

try {
  for (const theme of ['light', 'dark']) {
    const page = await open(theme);
    await requests(page, theme);
    await drawer(page, theme);
    await live(page);
    await sql(page, theme);
    await quality(page, theme);
    if (theme === 'light') await themes(page);
    await page.context().close();
  }
  assert.deepEqual(complaints, [], 'nothing in the console');
  console.log(`the page works at ${base}; screenshots in ${folder}`);
} catch (error) {
  console.error(error);
  for (const complaint of complaints) console.error('console:', complaint);
  for (const context of browser.contexts()) for (const page of context.pages()) await page.screenshot({ path: join(folder, 'failure.png') }).catch(() => {});
  process.exitCode = 1;
} finally {
  await browser.close();
}
